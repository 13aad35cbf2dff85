/* A store in a directory of its own, for the store's tests. */
#ifndef CERTWRIGHT_TESTS_STORE_FIXTURE_H
#define CERTWRIGHT_TESTS_STORE_FIXTURE_H

#include "acme/base/memory.h"
#include "store/account.h"
#include "store/authority.h"
#include "store/certificate.h"
#include "store/job.h"
#include "store/store.h"
#include "store/token.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct store_options options;
    char directory[64];
    struct store *store;
    struct db *db; /* this thread's reader */
};

#define assert_ok(call, e)                                                                         \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", err_info((e).code)->name, (e).detail);                              \
    } while (0)

#define assert_fails(call, e, expected)                                                            \
    do {                                                                                           \
        assert_int_equal(call, -1);                                                                \
        assert_string_equal(err_info((e).code)->name, err_info(expected)->name);                   \
    } while (0)

static inline void fixture_open(struct fixture *f)
{
    struct err e;
    assert_ok(store_open(&f->options, &f->store, &e), e);
    assert_ok(store_reader(f->store, &f->db, &e), e);
}

static inline void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    fixture_open(f);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = mem_new(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/certwright-store-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    f->options.directory = f->directory;
    memset(f->options.master, 7, sizeof f->options.master);
    fixture_open(f);
    *state = f;
    return 0;
}

/* Calls fn with the path of each file of the data directory. */
static inline void fixture_files(const struct fixture *f, void (*fn)(void *context, const char *),
                                 void *context)
{
    DIR *directory = opendir(f->directory);
    assert_non_null(directory);
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = mem_printf("%s/%s", f->directory, entry->d_name);
        fn(context, path);
        free(path);
    }
    closedir(directory);
}

static inline void fixture_unlink(void *context, const char *path)
{
    (void)context;
    unlink(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    fixture_files(f, fixture_unlink, NULL);
    rmdir(f->directory);
    free(f);
    return 0;
}

/* A write that must succeed. */
static inline void must(struct fixture *f, store_fn *fn, void *arg)
{
    struct err e;
    assert_ok(store_write_wait(f->store, fn, arg, &e), e);
}

/* ---- rows that others refer to ---- */

static inline int fixture_put_authority(struct store_tx *tx, void *name, struct err *e)
{
    char url[] = "https://ca.example/directory";
    bool created;
    struct authority authority = {.name = name, .directory_url = url};
    return authority_put(tx, &authority, &created, e);
}

struct new_account {
    const char *name;
    const char *authority;
    const struct key *key;
    int64_t id;
};

static inline int fixture_insert_account(struct store_tx *tx, void *arg, struct err *e)
{
    struct new_account *new = arg;
    char spec[] = "{}", contacts[] = "[]";
    char *name = mem_strdup(new->name), *authority = mem_strdup(new->authority);
    struct account account = {
        .name = name, .authority = authority, .spec = spec, .contacts = contacts};
    int rc = account_insert(tx, &account, new->key, NULL, 0, e);
    new->id = account.id;
    free(name);
    free(authority);
    return rc;
}

struct new_certificate {
    const char *name;
    const char *challenge;
    const struct key *given_key;
    const void *given_csr;
    size_t given_csr_size;
    const char *csr_spki;
    int64_t id;
};

/* Of the account "main". */
static inline int fixture_insert_certificate(struct store_tx *tx, void *arg, struct err *e)
{
    struct new_certificate *new = arg;
    char spec[] = "{\"a\":1}", identifiers[] = "[\"a.example\"]", labels[] = "{}", main[] = "main";
    char *name = mem_strdup(new->name), *challenge = mem_strdup(new->challenge);
    struct certificate certificate = {.name = name,
                                      .spec = spec,
                                      .identifiers = identifiers,
                                      .account = main,
                                      .labels = labels,
                                      .challenge = challenge,
                                      .key_type = KEY_EC_P384,
                                      .retry_for_ms = 1000};
    int rc = certificate_insert(tx, &certificate, new->given_key, new->given_csr,
                                new->given_csr_size, new->csr_spki, e);
    new->id = certificate.id;
    free(name);
    free(challenge);
    return rc;
}

/* The authority "ca", the account "main" and the certificate of that name; its id. */
static inline int64_t fixture_certificate(struct fixture *f, const char *name)
{
    char ca[] = "ca";
    struct new_account account = {.name = "main", .authority = ca};
    struct new_certificate certificate = {.name = name};
    must(f, fixture_put_authority, ca);
    must(f, fixture_insert_account, &account);
    must(f, fixture_insert_certificate, &certificate);
    return certificate.id;
}

struct new_job {
    struct job_new job;
    char id[ULID_SIZE];
    bool existing;
};

static inline int fixture_insert_job(struct store_tx *tx, void *arg, struct err *e)
{
    struct new_job *new = arg;
    return job_insert(tx, &new->job, new->id, &new->existing, e);
}

static inline struct new_job fixture_job(const char *lane, int64_t due)
{
    return (struct new_job){.job = {.kind = "test.kind",
                                    .step = "begin",
                                    .lane = lane,
                                    .due_at = due,
                                    .resource_type = "certificate",
                                    .resource_name = "a",
                                    .deadline_at = INT64_MAX}};
}

struct fixture_commit {
    const char *id;
    int64_t epoch;
    struct job_change change;
    int64_t new_epoch;
};

static inline int fixture_commit_job(struct store_tx *tx, void *arg, struct err *e)
{
    struct fixture_commit *commit = arg;
    return job_commit(tx, commit->id, commit->epoch, &commit->change, &commit->new_epoch, e);
}

/* ---- tokens, the smallest writes ---- */

static inline int fixture_put_token(struct store_tx *tx, void *name, struct err *e)
{
    unsigned char hash[TOKEN_HASH_SIZE] = {1};
    return token_put(tx, name, hash, e);
}

static inline size_t fixture_token_count(struct fixture *f)
{
    struct token *tokens;
    size_t count;
    struct err e;
    assert_ok(token_list(f->db, &tokens, &count, &e), e);
    for (size_t i = 0; i < count; i++)
        token_finish(&tokens[i]);
    free(tokens);
    return count;
}

/* ---- many jobs, their due times a millisecond apart ---- */

struct fixture_many {
    const char *lane;
    int count;
    int64_t due;
};

static inline int fixture_insert_many(struct store_tx *tx, void *arg, struct err *e)
{
    const struct fixture_many *many = arg;
    for (int i = 0; i < many->count; i++) {
        struct new_job new = fixture_job(many->lane, many->due + i);
        if (fixture_insert_job(tx, &new, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- versions ---- */

struct fixture_prepare {
    int64_t id;
    const struct key *key;
    const char *spki;
    int64_t n;
};

static inline int fixture_prepare_version(struct store_tx *tx, void *arg, struct err *e)
{
    struct fixture_prepare *p = arg;
    return version_prepare(tx, p->id, p->key, p->spki, KEY_EC_P256, "CSR", 3, &p->n, e);
}

/* A version with a key of its own. */
static inline int64_t fixture_prepared(struct fixture *f, int64_t id)
{
    struct key *key;
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    assert_ok(key_generate(KEY_EC_P256, &key, &e), e);
    assert_ok(key_spki_sha256(key, spki, &e), e);
    struct fixture_prepare p = {id, key, spki, 0};
    must(f, fixture_prepare_version, &p);
    key_destroy(key);
    return p.n;
}

#endif
