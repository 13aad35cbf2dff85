/* The config file. Files that it refers to all hold the same, whatever their names. */
#include "server/config/config.h"
#include "server/config/source.h"
#include "tests/fuzz/fuzz.h"

static const char path[] = "/etc/certwright.json";
static struct fuzz_input file;

/* In the place of source_read: the linker sends its callers here. */
int __wrap_source_read(const char *name, size_t max, struct buf *out, struct err *e);
int __wrap_source_read(const char *name, size_t max, struct buf *out, struct err *e)
{
    if (!strcmp(name, "/etc/absent"))
        return err_set(e, ERR_IO, "cannot read %s", name);
    if (strcmp(name, path) != 0)
        buf_add_string(out, "secret\n");
    else if (file.left <= max)
        buf_add(out, file.at, file.left);
    else
        return err_set(e, ERR_IO, "%s is too large", name);
    return 0;
}

static size_t count_lines(const struct buf *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

static void check_config(const struct config *config)
{
    must(config->listen.count > 0, "there is an address to listen on");
    must(config->workers >= 1 && config->workers <= CONFIG_WORKERS_MAX, "workers keep their cap");
    for (size_t i = 0; i < config->command_count; i++)
        must(config->commands[i].argv[0][0] == '/', "a command is an absolute path");
    for (size_t i = 0; i < config->file_roots.count; i++)
        must(config->file_roots.items[i][0] == '/', "a root is an absolute path");
    must_equal(config->file, path, "the config knows its file");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config_flags flags = {.config = path};
    struct config *config = NULL;
    struct buf complaints = {0};
    struct err e;
    file = (struct fuzz_input){(const char *)data, size};
    if (config_load(&flags, &config, &complaints, &e) == 0) {
        must(complaints.size == 0, "a good config is not complained of");
        check_config(config);
    } else {
        must(!config && (e.code == ERR_IO || count_lines(&complaints) > 0),
             "a bad config is complained of, one line for each mistake");
    }
    buf_finish(&complaints);
    config_destroy(config);
    return 0;
}
