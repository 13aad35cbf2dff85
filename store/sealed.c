#include "store/sealed.h"

#include "acme/base/memory.h"
#include "store/seal.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

void sealed_place(char out[SEALED_PLACE_SIZE], const char *table, int64_t id, const char *column)
{
    snprintf(out, SEALED_PLACE_SIZE, "%s/%" PRId64 "/%s", table, id, column);
}

void sealed_version_place(char out[SEALED_PLACE_SIZE], int64_t certificate_id, int64_t n)
{
    snprintf(out, SEALED_PLACE_SIZE, "version/%" PRId64 ".%" PRId64 "/key", certificate_id, n);
}

int sealed_key(const struct db *db, const char *place, const struct key *key, struct buf *out,
               struct err *e)
{
    struct buf der = {0};
    int rc = key_to_der(key, &der, e);
    if (rc == 0)
        rc = seal_value(db_seal(db), place, der.data, der.size, out, e);
    buf_finish_secret(&der);
    return rc;
}

/* The plain key stays in the secure heap, which is neither dumped nor swapped. */
static int open_key(const struct db *db, const char *place, const void *sealed, size_t size,
                    struct key **out, struct err *e)
{
    size_t plain = seal_plain_size(size);
    unsigned char *der = OPENSSL_secure_malloc(plain + 1);
    if (!der)
        mem_exhausted();
    int rc = seal_unseal_into(db_seal(db), place, sealed, size, der, e);
    if (rc == 0)
        rc = key_from_der(der, plain, out, e);
    OPENSSL_secure_clear_free(der, plain + 1);
    return rc;
}

int sealed_key_open(const struct db *db, struct db_row *row, const char *place, struct key **out,
                    struct err *e)
{
    int rc = db_next(row, e);
    if (rc > 0 && db_is_null(row, 0)) {
        rc = 0;
    } else if (rc > 0) {
        size_t size;
        const void *sealed = db_blob(row, 0, &size);
        rc = open_key(db, place, sealed, size, out, e) < 0 ? -1 : 1;
    }
    db_row_finish(row);
    return rc;
}

int sealed_open(const struct db *db, struct db_row *row, const char *place, struct buf *out,
                struct err *e)
{
    int rc = db_next(row, e);
    if (rc > 0 && db_is_null(row, 0)) {
        rc = 0;
    } else if (rc > 0) {
        size_t size;
        const void *sealed = db_blob(row, 0, &size);
        rc = seal_unseal(db_seal(db), place, sealed, size, out, e) < 0 ? -1 : 1;
    }
    db_row_finish(row);
    return rc;
}
