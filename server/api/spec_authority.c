#include "server/api/spec_authority.h"

#include "acme/base/memory.h"
#include "acme/http.h"
#include "server/api/check.h"

#include <stdlib.h>
#include <string.h>

enum { TRUST_BUNDLE_MAX = 512 * 1024 };

static const char *read_trust_bundle(const struct members *m)
{
    const char *pem = members_block(m, "trust_bundle", MEMBERS_OPTIONAL, TRUST_BUNDLE_MAX);
    if (!pem)
        return NULL;
    struct acme_trust *trust;
    struct err e;
    if (acme_trust_from_pem(pem, strlen(pem), &trust, &e) < 0)
        members_wrong(m, "trust_bundle", "%s", e.detail);
    else
        acme_trust_release(trust);
    return pem;
}

int spec_authority_read(struct json_object *body, struct fields *errors, struct spec_authority *out)
{
    static const char *const names[] = {"directory_url", "trust_bundle", "test", "eab_required",
                                        NULL};
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    members_only(&m, names);
    const char *url = members_checked(&m, "directory_url", MEMBERS_REQUIRED, check_url);
    const char *bundle = read_trust_bundle(&m);
    bool test = members_bool(&m, "test", false);
    bool eab_required = members_bool(&m, "eab_required", false);
    if (errors->count > before)
        return -1;
    *out = (struct spec_authority){
        .directory_url = mem_strdup(url),
        .trust_bundle = mem_strdup(bundle),
        .test = test,
        .eab_required = eab_required,
    };
    return 0;
}

void spec_authority_finish(struct spec_authority *spec)
{
    free(spec->directory_url);
    free(spec->trust_bundle);
    *spec = (struct spec_authority){0};
}
