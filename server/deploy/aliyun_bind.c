/*
 * State: {"fingerprint", "mark", "phase": "bind", "domains": {DOMAIN: {"step", "try"}}}.
 *
 *   (none) ──read──► set ──set──► check ──read──► done      all are read before any is set
 *     │ ours          │ ▲            └──► later: the change takes a while, then late
 *     ▼               ▼ │ the name is taken: by a call whose answer was lost
 *   done             look        late ──read──► done, or a mismatch, whose retry goes to set
 */
#include "server/deploy/aliyun_bind.h"

#include "acme/base/clock.h"
#include "acme/json.h"

#include <json.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES_MAX = 3, POLLS_MAX = 10, DOMAIN_DIGEST_BYTES = 4 };

/* What a step works with. */
struct bind {
    const struct aliyun_binding *binding;
    const struct target_context *context;
    const struct target_certificate *certificate;
    struct aliyun a;
};

/*
 * The certificate's name: unique for version, service and domain, since what is given to CDN and
 * DCDN is filed in one place, which refuses a name twice; and for each try, since one may have been
 * filed but not installed.
 */
static void bind_name(const struct bind *b, const char *domain, int64_t try,
                      char out[ALIYUN_NAME_SIZE])
{
    enum { SUFFIX = 1 + 2 * DOMAIN_DIGEST_BYTES, TRY_SUFFIX = 2 };
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char place[ALIYUN_NAME_SIZE + 256];
    int length = snprintf(place, sizeof place, "%s/%.253s", b->binding->service.name, domain);
    SHA256((const unsigned char *)place, (size_t)length, digest);
    target_upload_name(b->certificate, out, b->binding->name_max + 1 - SUFFIX - TRY_SUFFIX);
    size_t size = strlen(out);
    size += (size_t)snprintf(out + size, ALIYUN_NAME_SIZE - size, "-%02x%02x%02x%02x", digest[0],
                             digest[1], digest[2], digest[3]);
    if (try > 1)
        snprintf(out + size, ALIYUN_NAME_SIZE - size, "-%d", (int)(try % 10));
    for (char *c = out; *c; c++)
        if (*c == '-')
            *c = b->binding->separator;
}

/* The certificate itself decides where the service shows it, else the name it was given. */
static bool shows_ours(const struct bind *b, const char *domain, const struct aliyun_shown *shown)
{
    char name[ALIYUN_NAME_SIZE];
    if (!shown->on)
        return false;
    if (*shown->fingerprint)
        return !strcmp(shown->fingerprint, b->certificate->fingerprint);
    bind_name(b, domain, 1, name);
    return !strncmp(shown->name, name, strlen(name));
}

/* ---- the state ---- */

static struct json_object *domain_state(const struct target_work *work, const char *domain)
{
    struct json_object *domains = json_object_of(work->state, "domains");
    return domains ? json_object_of(domains, domain) : NULL;
}

static const char *domain_step(const struct target_work *work, const char *domain)
{
    struct json_object *state = domain_state(work, domain);
    const char *step = state ? json_text_of(state, "step") : NULL;
    return step ? step : "";
}

static int64_t domain_try(const struct target_work *work, const char *domain)
{
    struct json_object *state = domain_state(work, domain), *try = NULL;
    return state && json_object_object_get_ex(state, "try", &try) ? json_object_get_int64(try) : 1;
}

static void domain_set(struct target_work *work, const char *domain, const char *step, int64_t try)
{
    struct json_object *domains = json_object_of(work->state, "domains");
    struct json_object *state = json_object_new_object();
    if (!domains) {
        domains = json_object_new_object();
        json_object_object_add(work->state, "domains", domains);
    }
    aliyun_set_text(state, "step", step);
    json_object_object_add(state, "try", json_object_new_int64(try));
    json_object_object_add(domains, domain, state);
}

/* ---- one domain ---- */

static int domain_look(const struct bind *b, struct target_work *work, const char *domain,
                       struct err *e)
{
    struct aliyun_shown shown = {0};
    if (b->binding->read(b->context, &b->a, domain, &shown, e))
        return -1;
    bool ours = shows_ours(b, domain, &shown);
    if (ours)
        snprintf(work->message, sizeof work->message, "%s shows it already", domain);
    domain_set(work, domain, ours ? "done" : "set", domain_try(work, domain));
    return 0;
}

static int domain_install(const struct bind *b, struct target_work *work, const char *domain,
                          struct err *e)
{
    struct aliyun_material material;
    char name[ALIYUN_NAME_SIZE], code[ALIBABA_CODE_SIZE] = "";
    int64_t try = domain_try(work, domain);
    if (work->resumed)
        return domain_look(b, work, domain, e);
    if (aliyun_material_read(b->certificate, &material, e))
        return -1;
    bind_name(b, domain, try, name);
    int rc = b->binding->set(b->context, &b->a, domain, name, &material, code, e);
    aliyun_material_finish(&material);
    /* "RepeatedCommit" is about the change that is under way, not about a name */
    if (rc && e->code == ERR_PROVIDER_REFUSED && aliyun_code_is_duplicate(code) &&
        try < TRIES_MAX) {
        snprintf(work->message, sizeof work->message, "the name %.100s is taken", name);
        domain_set(work, domain, "look", try + 1);
        return 0;
    }
    if (rc)
        return -1;
    snprintf(work->message, sizeof work->message, "%s was given %s", domain, name);
    domain_set(work, domain, "check", try);
    return 0;
}

/*
 * It took too long. The mismatch is told, and by the next try another may have taken the place for
 * good: then it is given again, under another name, before the last word.
 */
static int domain_late(const struct bind *b, struct target_work *work, const char *domain,
                       const struct aliyun_shown *shown, struct err *e)
{
    int64_t try = domain_try(work, domain);
    const char *is = *shown->name ? shown->name : "none";
    if (!work->resumed || try >= TRIES_MAX)
        return err_set(e, ERR_TARGET_MISMATCH,
                       "%s accepted the certificate for %s, but still shows %s%s", b->a.endpoint,
                       domain, is, shown->on ? "" : " (off)");
    snprintf(work->message, sizeof work->message, "%.100s shows %.100s: it is given ours again",
             domain, is);
    domain_set(work, domain, "set", try + 1);
    return 0;
}

static int domain_check(const struct bind *b, struct target_work *work, const char *domain,
                        struct err *e)
{
    struct aliyun_shown shown = {0};
    if (b->binding->read(b->context, &b->a, domain, &shown, e))
        return -1;
    if (shows_ours(b, domain, &shown)) {
        snprintf(work->message, sizeof work->message, "%s shows it", domain);
        domain_set(work, domain, "done", domain_try(work, domain));
        return 0;
    }
    if (!strcmp(domain_step(work, domain), "late"))
        return domain_late(b, work, domain, &shown, e);
    if (work->polls >= POLLS_MAX) {
        domain_set(work, domain, "late", domain_try(work, domain));
        return 0;
    }
    work->outcome = TARGET_LATER;
    work->delay_ms = (int64_t)2 * CLOCK_SECOND_MS << (work->polls > 0 ? work->polls : 0);
    if (work->delay_ms > CLOCK_MINUTE_MS)
        work->delay_ms = CLOCK_MINUTE_MS;
    return 0;
}

/* ---- all of them ---- */

static const char *first_to_read(const struct target_work *work, const char *const *domains)
{
    for (; *domains; domains++)
        if (!*domain_step(work, *domains))
            return *domains;
    return NULL;
}

static const char *first_to_do(const struct target_work *work, const char *const *domains)
{
    for (; *domains; domains++)
        if (strcmp(domain_step(work, *domains), "done") != 0)
            return *domains;
    return NULL;
}

static int domains_step(const struct bind *b, struct target_work *work, const char *const *domains,
                        struct err *e)
{
    const char *domain = first_to_read(work, domains);
    if (domain)
        return domain_look(b, work, domain, e);
    domain = first_to_do(work, domains);
    if (!domain) {
        aliyun_set_text(work->state, "phase", "done");
        snprintf(work->message, sizeof work->message, "installed for %s%s", domains[0],
                 domains[1] ? " and the other domains" : "");
        work->outcome = TARGET_DONE;
        return 0;
    }
    const char *step = domain_step(work, domain);
    if (!strcmp(step, "set"))
        return domain_install(b, work, domain, e);
    if (!strcmp(step, "check") || !strcmp(step, "late"))
        return domain_check(b, work, domain, e);
    return domain_look(b, work, domain, e);
}

int aliyun_bind_step(const struct aliyun_binding *binding, const struct target_context *context,
                     struct target_work *work, struct err *e)
{
    struct bind b = {.binding = binding, .context = context, .certificate = work->certificate};
    if (aliyun_open(context, &binding->service, &b.a, e))
        return -1;
    const char **domains = target_domains(context, work->certificate);
    int rc = 0;
    if (!domains[0])
        rc = err_set(e, ERR_INVALID, "the certificate names no domain to install it for");
    else if (!aliyun_state_is_current(context, &b.a, work))
        aliyun_state_begin(context, &b.a, work, "bind");
    else
        rc = domains_step(&b, work, domains, e);
    free(domains);
    return rc;
}

/* ---- the rehearsal ---- */

static int domains_test(const struct bind *b, const char *const *domains, struct buf *said,
                        struct err *e)
{
    for (size_t i = 0; domains[i]; i++) {
        struct aliyun_shown shown = {0};
        if (b->binding->read(b->context, &b->a, domains[i], &shown, e))
            return -1;
        buf_printf(said, "%s%s (now %s)", i ? ", " : "would install for ", domains[i],
                   shown.on && *shown.name ? shown.name : "none");
    }
    return 0;
}

int aliyun_bind_test(const struct aliyun_binding *binding, const struct target_context *context,
                     const struct target_certificate *certificate,
                     char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    struct bind b = {.binding = binding, .context = context, .certificate = certificate};
    struct buf said = {0};
    if (aliyun_open(context, &binding->service, &b.a, e))
        return -1;
    bool known = certificate || json_array_of(context->settings, "domains");
    const char **domains = known ? target_domains(context, certificate) : NULL;
    int rc;
    if (domains && domains[0])
        rc = domains_test(&b, domains, &said, e);
    else
        rc = binding->probe(context, &b.a, e);
    if (rc == 0)
        snprintf(message, TARGET_MESSAGE_SIZE, "%s",
                 said.size ? buf_string(&said)
                           : "the credential works; which domains, the certificate will tell");
    free(domains);
    buf_finish(&said);
    return rc;
}
