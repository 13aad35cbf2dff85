#include "server/api/issued.h"

#include "server/api/rights.h"
#include "server/http/exchange.h"

void issued_finish(struct issued *issued)
{
    certificate_finish(&issued->certificate);
    version_finish(&issued->version);
}

bool issued_is(const struct version *version)
{
    return version->state == VERSION_VALID || version->state == VERSION_REVOKED;
}

int issued_load(const struct http_exchange *x, struct db *db, const char *name, int64_t n,
                struct issued *out, struct err *e)
{
    struct issued issued = {.db = db};
    if (certificate_load(db, name, &issued.certificate, e) < 0)
        return -1;
    int rc = version_load(db, issued.certificate.id, n, &issued.version, e);
    if (rc < 0 && e->code == ERR_NOT_FOUND && n == 0)
        err_set(e, ERR_NOT_FOUND, "The certificate \"%s\" was not issued yet.", name);
    if (rc == 0 && !issued_is(&issued.version))
        rc =
            err_set(e, ERR_NOT_FOUND, "Version %lld of \"%s\" was not issued.", (long long)n, name);
    if (rc == 0 && !rights_see_version(x, &issued.version))
        rc = err_set(e, ERR_FORBIDDEN, "Version %lld of \"%s\" has names that are not for %s.",
                     (long long)issued.version.n, name, http_principal(x));
    if (rc < 0)
        issued_finish(&issued);
    else
        *out = issued;
    return rc;
}

int issued_check_exportable(const struct issued *issued, struct err *e)
{
    if (issued->certificate.key_exportable)
        return 0;
    return err_set(e, ERR_CONFLICT,
                   "The keys of \"%s\" are not exportable: only its targets get them.",
                   issued->certificate.name);
}
