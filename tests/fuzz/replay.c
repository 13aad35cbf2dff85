/*
 * In the place of libFuzzer, where it is not linked: feeds each file once to the target, so that
 * every compiler's build runs the corpora, and a finding can be looked at in a debugger.
 */
#include "acme/base/buffer.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

static size_t feed_file(const char *path)
{
    struct buf content = {0};
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(&content, piece, n);
    fclose(file);
    /* A copy of exactly its size, so that a sanitizer sees a read behind its end. */
    uint8_t *exact = mem_new(content.size ? content.size : 1, 1);
    if (content.size)
        memcpy(exact, content.data, content.size);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, content.size);
    free(exact);
    buf_finish(&content);
    return 1;
}

/* A file, or all files of a folder. */
static size_t feed(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return feed_file(path);
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        char *name = mem_printf("%s/%s", path, entry->d_name);
        count += feed_file(name);
        free(name);
    }
    closedir(folder);
    return count;
}

int main(int count, char **argument)
{
    size_t files = 0;
    for (int i = 1; i < count; i++)
        files += feed(argument[i]);
    fprintf(stderr, "%zu files\n", files);
    return files ? 0 : 2;
}
