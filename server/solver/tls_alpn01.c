#include "server/solver/tls_alpn01.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "acme/key.h"
#include "acme/tls_alpn.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A tree node; its owners are few, so a list of them does. */
struct answer {
    char name[TLS_ALPN_SERVER_NAME_SIZE];
    char *key_authorization;
    X509 *certificate;
    char **owners;
    size_t owner_count;
};

struct tls_alpn01_table {
    struct key *key;
    pthread_rwlock_t lock;
    void *root; /* of tsearch, ordered by name */
    size_t count;
};

static int answer_compare(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    return strcasecmp(x->name, y->name);
}

static void answer_destroy(void *p)
{
    struct answer *answer = p;
    for (size_t i = 0; i < answer->owner_count; i++)
        free(answer->owners[i]);
    free(answer->owners);
    free(answer->key_authorization);
    X509_free(answer->certificate);
    free(answer);
}

static size_t answer_owner(const struct answer *answer, const char *owner)
{
    size_t i = 0;
    while (i < answer->owner_count && strcmp(answer->owners[i], owner) != 0)
        i++;
    return i;
}

static void answer_own(struct answer *answer, const char *owner)
{
    if (answer_owner(answer, owner) < answer->owner_count)
        return;
    answer->owners = mem_grow(answer->owners, answer->owner_count + 1, sizeof *answer->owners);
    answer->owners[answer->owner_count++] = mem_strdup(owner);
}

static struct answer *table_find(struct tls_alpn01_table *table, const char *name)
{
    struct answer key;
    size_t length = strlen(name);
    if (length >= sizeof key.name)
        return NULL;
    memcpy(key.name, name, length + 1);
    struct answer **found = tfind(&key, &table->root, answer_compare);
    return found ? *found : NULL;
}

int tls_alpn01_create(struct tls_alpn01_table **out, struct err *e)
{
    struct key *key;
    if (key_generate(KEY_EC_P256, &key, e) < 0)
        return -1;
    struct tls_alpn01_table *table = mem_new(1, sizeof *table);
    table->key = key;
    pthread_rwlock_init(&table->lock, NULL);
    *out = table;
    return 0;
}

void tls_alpn01_destroy(struct tls_alpn01_table *table)
{
    if (!table)
        return;
    tdestroy(table->root, answer_destroy);
    pthread_rwlock_destroy(&table->lock);
    key_destroy(table->key);
    free(table);
}

/* Without the lock, as signing takes its time. */
static int answer_make(const struct tls_alpn01_table *table, const struct identifier *id,
                       const char *key_authorization, struct answer **out, struct err *e)
{
    struct buf der = {0};
    if (tls_alpn_certificate(id, key_authorization, table->key, &der, e) < 0)
        return -1;
    const unsigned char *bytes = (const unsigned char *)der.data;
    X509 *certificate = d2i_X509(NULL, &bytes, (long)der.size);
    buf_finish(&der);
    if (!certificate)
        return err_set(e, ERR_CRYPTO, "the challenge's certificate cannot be read again");
    struct answer *answer = mem_new(1, sizeof *answer);
    tls_alpn_server_name(id, answer->name);
    answer->key_authorization = mem_strdup(key_authorization);
    answer->certificate = certificate;
    *out = answer;
    return 0;
}

/* Takes answer over. With the lock held. */
static int table_put(struct tls_alpn01_table *table, const char *owner, struct answer *answer,
                     struct err *e)
{
    struct answer *present = table_find(table, answer->name);
    if (!present) {
        if (!tsearch(answer, &table->root, answer_compare))
            mem_exhausted();
        answer_own(answer, owner);
        table->count++;
        return 0;
    }
    int rc = 0;
    if (strcmp(present->key_authorization, answer->key_authorization) != 0)
        rc = err_set(e, ERR_CONFLICT, "tls-alpn-01 of another order is under way for %s",
                     answer->name);
    else
        answer_own(present, owner);
    answer_destroy(answer);
    return rc;
}

int tls_alpn01_add(struct tls_alpn01_table *table, const char *owner, const struct identifier *id,
                   const char *key_authorization, struct err *e)
{
    struct answer *answer = NULL;
    if (answer_make(table, id, key_authorization, &answer, e) < 0)
        return -1;
    pthread_rwlock_wrlock(&table->lock);
    int rc = table_put(table, owner, answer, e);
    pthread_rwlock_unlock(&table->lock);
    return rc;
}

void tls_alpn01_remove(struct tls_alpn01_table *table, const char *owner,
                       const struct identifier *id, const char *key_authorization)
{
    char name[TLS_ALPN_SERVER_NAME_SIZE];
    tls_alpn_server_name(id, name);
    pthread_rwlock_wrlock(&table->lock);
    struct answer *answer = table_find(table, name);
    if (answer && strcmp(answer->key_authorization, key_authorization) != 0)
        answer = NULL;
    size_t i = answer ? answer_owner(answer, owner) : 0;
    if (answer && i < answer->owner_count) {
        free(answer->owners[i]);
        answer->owners[i] = answer->owners[--answer->owner_count];
    }
    if (answer && answer->owner_count == 0) {
        tdelete(answer, &table->root, answer_compare);
        answer_destroy(answer);
        table->count--;
    }
    pthread_rwlock_unlock(&table->lock);
}

X509 *tls_alpn01_certificate(struct tls_alpn01_table *table, const char *server_name)
{
    X509 *certificate = NULL;
    pthread_rwlock_rdlock(&table->lock);
    const struct answer *answer = table_find(table, server_name);
    if (answer && X509_up_ref(answer->certificate))
        certificate = answer->certificate;
    pthread_rwlock_unlock(&table->lock);
    return certificate;
}

EVP_PKEY *tls_alpn01_key(const struct tls_alpn01_table *table)
{
    return key_evp(table->key);
}

size_t tls_alpn01_count(struct tls_alpn01_table *table)
{
    pthread_rwlock_rdlock(&table->lock);
    size_t count = table->count;
    pthread_rwlock_unlock(&table->lock);
    return count;
}
