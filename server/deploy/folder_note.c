#include "server/deploy/folder_note.h"

#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "acme/crypto.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "writing.";

enum {
    NAME_BYTES = 16,
    NAME_SIZE = sizeof prefix + 2 * NAME_BYTES,
    NOTE_MAX = 2 * PATH_MAX,
    NOTE_MODE = 0600,
};

bool folder_is_note(const char *name)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The same for the same folder, so that there is never more than one. */
static void name_of(const struct buf *text, char out[NAME_SIZE])
{
    unsigned char digest[CRYPTO_SHA256_BYTES];
    crypto_sha256(text->data, text->size, digest);
    int n = snprintf(out, NAME_SIZE, "%s", prefix);
    for (int i = 0; i < NAME_BYTES; i++)
        n += snprintf(out + n, NAME_SIZE - (size_t)n, "%02x", digest[i]);
}

/* Root and path, each with its NUL. */
static void text_of(const struct folder *where, struct buf *out)
{
    buf_add(out, where->root, strlen(where->root) + 1);
    buf_add(out, where->path, strlen(where->path) + 1);
}

static int write_note(const struct tree *notes, const char *name, const struct buf *text,
                      struct err *e)
{
    const struct tree_file file = {
        .name = name,
        .data = text->data,
        .size = text->size,
        .mode = NOTE_MODE,
        .owner = (uid_t)-1,
        .group = (gid_t)-1,
    };
    if (tree_has(notes, &file))
        return 0;
    return tree_remove(notes, name, e) < 0 || tree_write(notes, &file, e) < 0 ? -1
                                                                              : tree_sync(notes, e);
}

int folder_note_make(const struct folder *where, struct err *e)
{
    struct tree notes;
    struct buf text = {0};
    char name[NAME_SIZE];
    if (!where->notes)
        return 0;
    if (tree_open(where->notes, &notes, e) < 0)
        return -1;
    text_of(where, &text);
    name_of(&text, name);
    int rc = write_note(&notes, name, &text, e);
    buf_finish(&text);
    tree_finish(&notes);
    return rc;
}

/* Not synced: a note that comes back is of a folder in which nothing is left over. */
void folder_note_drop(const struct folder *where)
{
    struct buf text = {0};
    char name[NAME_SIZE];
    if (!where->notes)
        return;
    text_of(where, &text);
    name_of(&text, name);
    char *path = mem_printf("%s/%s", where->notes, name);
    unlink(path);
    free(path);
    buf_finish(&text);
}

/* ---- at the start ---- */

/* One of the list, or below one. */
static bool is_listed(const char *root, const char *const *roots)
{
    for (; *roots; roots++) {
        size_t length = strlen(*roots);
        while (length && (*roots)[length - 1] == '/')
            length--;
        if (strncmp(*roots, root, length) == 0 && (root[length] == '/' || root[length] == '\0'))
            return true;
    }
    return false;
}

/* False if the file is no note. */
static bool read_note(const struct tree *notes, const char *name, struct buf *text,
                      struct folder *out)
{
    if (!tree_read(notes, name, NOTE_MAX, text) || !text->size || text->data[text->size - 1])
        return false;
    size_t root = strlen(text->data) + 1;
    struct err ignored;
    if (root == text->size || root + strlen(text->data + root) + 1 != text->size)
        return false;
    *out = (struct folder){.root = text->data, .path = text->data + root};
    return !*out->path || folder_path_check(out->path, &ignored) == 0;
}

static int sweep_note(const struct tree *notes, const char *name, void *context, struct err *e)
{
    const char *const *roots = context;
    struct buf text = {0};
    struct folder where;
    struct err error;
    if (!folder_is_note(name))
        return 0;
    int rc = 0;
    if (!read_note(notes, name, &text, &where)) {
        rc = tree_remove(notes, name, e); /* torn: what it was to tell of was not begun */
    } else if (!is_listed(where.root, roots)) {
        log_warn("an interrupted write may have left files where nothing is written any more",
                 "root", where.root, "path", where.path, NULL);
    } else if (folder_sweep(&where, &error) < 0) {
        log_warn("what an interrupted write has left cannot be removed", "detail", error.detail,
                 NULL);
    } else {
        rc = tree_remove(notes, name, e);
    }
    buf_finish(&text);
    return rc;
}

void folder_sweep_noted(const char *notes, const char *const *roots)
{
    struct tree tree;
    struct err error;
    if (tree_open(notes, &tree, &error) == 0) {
        int rc = tree_each(&tree, sweep_note, (void *)roots, &error);
        tree_finish(&tree);
        if (rc == 0)
            return;
    }
    log_warn("interrupted writes cannot be looked for", "detail", error.detail, NULL);
}
