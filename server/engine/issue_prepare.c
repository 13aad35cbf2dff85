/* The first step of an issue: key and CSR, durable before anything is ordered. */
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "acme/csr.h"
#include "server/engine/account_recovery.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prepared {
    struct key *key; /* NULL: the CSR is the caller's */
    char spki_sha256[KEY_SPKI_SHA256_SIZE];
    enum key_type key_type;
    struct buf csr;
};

static void prepared_free(void *saved)
{
    struct prepared *p = saved;
    if (!p)
        return;
    key_destroy(p->key);
    buf_finish(&p->csr);
    free(p);
}

static bool has_names(const struct cert_info *info, const char *identifiers)
{
    struct identifier *ids;
    size_t count;
    struct err ignored;
    if (issue_read_identifiers(identifiers, &ids, &count, &ignored) < 0)
        return false;
    bool same = info->count == count;
    for (size_t i = 0; i < count && same; i++)
        same = identifier_compare(&info->ids[i], &ids[i]) == 0;
    free(ids);
    return same;
}

/* What cannot be read is not known to be for the same names: then a new key is the safe way. */
static bool is_for_these_names(const struct step_context *c)
{
    const struct certificate *wanted = &c->certificate;
    struct version version;
    struct cert_info info;
    struct buf leaf = {0}, chain = {0};
    struct err ignored;
    if (version_load(c->db, wanted->id, wanted->version, &version, &ignored) < 0)
        return false;
    bool same = version.leaf && cert_chain_read(version.leaf, strlen(version.leaf), &leaf, &chain,
                                                &info, &ignored) == 0;
    if (same) {
        same = has_names(&info, wanted->identifiers);
        cert_info_finish(&info);
    }
    buf_finish(&leaf);
    buf_finish(&chain);
    version_finish(&version);
    return same;
}

/* Who may have the keys of one set of names may not have those of another that it grew out of. */
static bool reuses_key(const struct step_context *c)
{
    const struct certificate *wanted = &c->certificate;
    return wanted->key_reuse && wanted->version && wanted->version_key_type == wanted->key_type &&
           is_for_these_names(c);
}

bool issue_makes_key(const struct step_context *c)
{
    const struct certificate *wanted = &c->certificate;
    return !wanted->has_given_csr && !wanted->has_given_key && !reuses_key(c);
}

void issue_prepare_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "%s",
             issue_makes_key(c) ? lane_name_for_key(c->certificate.key_type) : "local");
}

static int choose_key(struct step_context *c, struct key **out, struct err *e)
{
    const struct certificate *wanted = &c->certificate;
    if (wanted->has_given_key)
        return certificate_open_given_key(c->db, wanted->id, out, e);
    if (reuses_key(c))
        return version_open_key(c->db, wanted->id, wanted->version, out, e);
    return key_generate(wanted->key_type, out, e);
}

static int take_given_csr(struct step_context *c, struct prepared *p, struct err *e)
{
    struct buf pem = {0}, again = {0};
    struct csr_info info;
    int rc = certificate_given_csr(c->db, c->certificate.id, &p->csr, e);
    if (rc == 0)
        rc = csr_to_pem(p->csr.data, p->csr.size, &pem, e);
    if (rc == 0)
        rc = csr_from_pem(pem.data, pem.size, &again, &info, e);
    if (rc == 0) {
        memcpy(p->spki_sha256, info.spki_sha256, sizeof p->spki_sha256);
        p->key_type = info.key_type;
        csr_info_finish(&info);
    }
    buf_finish(&pem);
    buf_finish(&again);
    return rc;
}

static int make_csr(struct step_context *c, struct prepared *p, struct err *e)
{
    struct identifier *ids;
    size_t count;
    if (choose_key(c, &p->key, e) < 0)
        return -1;
    p->key_type = key_type_of(p->key);
    if (key_spki_sha256(p->key, p->spki_sha256, e) < 0 ||
        issue_read_identifiers(c->certificate.identifiers, &ids, &count, e) < 0)
        return -1;
    int rc = csr_make(p->key, ids, count, c->certificate.email, &p->csr, e);
    free(ids);
    return rc;
}

static int save_prepared(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct prepared *p = c->saved;
    if (version_prepare(tx, c->certificate.id, p->key, p->spki_sha256, p->key_type, p->csr.data,
                        p->csr.size, &c->order.version, e) < 0)
        return -1;
    return order_insert(tx, &c->order, e);
}

/* The steps that are joined to this one go on with it before it has a row. */
static void begin_order(struct step_context *c)
{
    order_finish(&c->order);
    c->order = (struct order){
        .job = mem_strdup(c->job.id),
        .certificate_id = c->certificate.id,
        .certificate = mem_strdup(c->certificate.name),
        .account = mem_strdup(c->account.name),
        .authority = mem_strdup(c->authority.name),
        .status = mem_strdup("new"),
        .created_at = c->now,
        .updated_at = c->now,
    };
    ulid_make(c->now, c->order.id);
    c->order_new = true;
}

int issue_prepare(struct step_context *c, struct err *e)
{
    bool ready;
    if (account_expect_valid(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
    struct prepared *p = mem_new(1, sizeof *p);
    c->saved = p;
    c->saved_free = prepared_free;
    int rc = c->certificate.has_given_csr ? take_given_csr(c, p, e) : make_csr(c, p, e);
    if (rc < 0)
        return -1;
    begin_order(c);
    c->save = save_prepared;
    return step_next(c, "order",
                     c->certificate.has_given_csr ? "the caller's CSR is taken"
                                                  : "key and CSR are made");
}

/* ---- rekey ---- */

void issue_rekey_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "%s", lane_name_for_key(c->certificate.key_type));
}

/* A version of its own: the refused one's key is destroyed. */
static int save_rekeyed(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct prepared *p = c->saved;
    int64_t n;
    if (version_fail(tx, c->certificate.id, c->order.version, e) < 0 ||
        version_prepare(tx, c->certificate.id, p->key, p->spki_sha256, p->key_type, p->csr.data,
                        p->csr.size, &n, e) < 0)
        return -1;
    return order_set_version(tx, c->order.id, n, e);
}

int issue_rekey(struct step_context *c, struct err *e)
{
    struct prepared *p = mem_new(1, sizeof *p);
    c->saved = p;
    c->saved_free = prepared_free;
    if (make_csr(c, p, e) < 0)
        return -1;
    c->save = save_rekeyed;
    return step_next(c, "finalize", "another key and CSR are made");
}
