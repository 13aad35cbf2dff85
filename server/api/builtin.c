#include "server/api/builtin.h"

#include "server/api/authority.h"
#include "server/api/resource.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *directory_url;
    bool test;
    bool eab_required;
} authorities[] = {
    {"letsencrypt", "https://acme-v02.api.letsencrypt.org/directory", false, false},
    {"letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory", true, false},
    {"zerossl", "https://acme.zerossl.com/v2/DV90", false, true},
    {"google", "https://dv.acme-v02.api.pki.goog/directory", false, true},
    {"google-staging", "https://dv.acme-v02.test-api.pki.goog/directory", true, true},
    {"sslcom-rsa", "https://acme.ssl.com/sslcom-dv-rsa", false, true},
    {"sslcom-ecc", "https://acme.ssl.com/sslcom-dv-ecc", false, true},
    {"actalis", "https://acme-api.actalis.com/acme/directory", false, true},
    {"sectigo", "https://acme.sectigo.com/v2/DV", false, true},
};

static int apply_authority(struct store_tx *tx, size_t i, struct err *e)
{
    struct authority row;
    struct err missing;
    bool created;
    if (authority_load(store_tx_db(tx), authorities[i].name, &row, &missing) == 0) {
        enum origin owner = row.origin;
        authority_finish(&row);
        if (owner != ORIGIN_BUILTIN)
            return 0;
    } else if (missing.code != ERR_NOT_FOUND) {
        *e = missing;
        return -1;
    }
    struct spec_authority spec = {
        .directory_url = (char *)authorities[i].directory_url,
        .test = authorities[i].test,
        .eab_required = authorities[i].eab_required,
    };
    return authority_apply(tx, authorities[i].name, &spec, ORIGIN_BUILTIN, &created, e);
}

/* What this process answers itself is there under its own name. */
static int apply_solver(struct store_tx *tx, char *type, struct err *e)
{
    char zones[] = "[]", settings[] = "{}";
    struct spec_solver spec = {.type = type, .zones = zones, .settings = settings};
    struct solver row;
    struct err missing;
    bool created;
    if (solver_load(store_tx_db(tx), type, &row, &missing) == 0) {
        solver_finish(&row);
        return 0;
    }
    if (missing.code != ERR_NOT_FOUND) {
        *e = missing;
        return -1;
    }
    return solver_apply(tx, type, &spec, ORIGIN_BUILTIN, &created, e);
}

int builtin_apply(struct store_tx *tx, struct err *e)
{
    for (size_t i = 0; i < sizeof authorities / sizeof *authorities; i++)
        if (apply_authority(tx, i, e) < 0)
            return -1;
    char http01[] = "http-01", tls_alpn01[] = "tls-alpn-01";
    return apply_solver(tx, http01, e) < 0 ? -1 : apply_solver(tx, tls_alpn01, e);
}
