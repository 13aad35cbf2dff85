/*
 * Alibaba Cloud's certificate service (cas 2020-04-07): each version is an upload of its own, and
 * former ones of ours are deleted once the new one was seen.
 *
 *   look ──found──► read ──► tidy ──► done     one page of the list a call; one deletion a call
 *    │ ▲             ▲
 *    ▼ │ the name is │taken, or resumed: an answer may be lost
 *   upload ──────────┘
 *
 * "asked" stands from before an upload until its id is known. A version that is given up in between
 * leaves a name without an id in "uploads", which is looked for before it can be deleted.
 */
#include "acme/base/clock.h"
#include "acme/json.h"
#include "server/deploy/aliyun.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64, PAGE_SIZE = 50, PAGES_MAX = 200, POLLS_MAX = 10, UPLOADS_MAX = 100 };

static const char *const regions[] = {
    "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "eu-central-1",
    "me-east-1",      NULL};
static const struct aliyun_service cas_service = {
    .name = "cas", .version = "2020-04-07", .regions = regions};

/* ---- the state ---- */

static void phase_set(struct target_work *work, const char *phase)
{
    aliyun_set_text(work->state, "phase", phase);
    json_object_object_del(work->state, "page");
}

static int64_t page_of(const struct target_work *work)
{
    struct json_object *page = NULL;
    return json_object_object_get_ex(work->state, "page", &page) ? json_object_get_int64(page) : 1;
}

static void page_next(struct target_work *work)
{
    int64_t page = page_of(work) + 1;
    json_object_object_add(work->state, "page", json_object_new_int64(page));
}

static struct json_object *uploads_of(struct target_work *work)
{
    struct json_object *uploads = json_array_of(work->state, "uploads");
    if (!uploads) {
        uploads = json_object_new_array();
        json_object_object_add(work->state, "uploads", uploads);
    }
    return uploads;
}

/* Adds an upload to be deleted one day; forgets the oldest if there are too many, so that the state
   stays small. */
static void uploads_add(struct target_work *work, const char *id, const char *name,
                        const char *fingerprint)
{
    struct json_object *uploads = uploads_of(work), *entry = json_object_new_object();
    if (id)
        aliyun_set_text(entry, "cert_id", id);
    aliyun_set_text(entry, "name", name);
    aliyun_set_text(entry, "fingerprint", fingerprint);
    json_object_array_add(uploads, entry);
    if (json_object_array_length(uploads) > UPLOADS_MAX)
        json_object_array_del_idx(uploads, 0, 1);
}

static bool uploads_have(struct target_work *work, const char *id)
{
    struct json_object *uploads = uploads_of(work);
    for (size_t i = 0; i < json_object_array_length(uploads); i++) {
        const char *known = json_text_of(json_object_array_get_idx(uploads, i), "cert_id");
        if (known && !strcmp(known, id))
            return true;
    }
    return false;
}

static void begin(const struct target_context *context, const struct aliyun *a,
                  struct target_work *work)
{
    char ours[NAME_SIZE];
    target_upload_name(work->certificate, ours, sizeof ours);
    const char *name = json_text_of(work->state, "name");
    const char *fingerprint = json_text_of(work->state, "fingerprint");
    /* the same name is looked for in any case */
    if (json_bool_of(work->state, "asked") && name && fingerprint && strcmp(name, ours) != 0)
        uploads_add(work, NULL, name, fingerprint);
    aliyun_state_begin(context, a, work, "look");
    aliyun_set_text(work->state, "name", ours);
}

/* The upload's id is known. */
static void remember(struct target_work *work, const char *id)
{
    if (!uploads_have(work, id))
        uploads_add(work, id, json_text_of(work->state, "name"), work->certificate->fingerprint);
    aliyun_set_text(work->state, "cert_id", id);
    json_object_object_del(work->state, "asked");
    json_object_object_del(work->state, "taken");
    phase_set(work, "read");
}

/* ---- the list of uploads ---- */

static int list_call(const struct aliyun *a, int64_t page, int size, struct json_object **out,
                     struct err *e)
{
    char number[24], show[16], code[ALIBABA_CODE_SIZE];
    snprintf(number, sizeof number, "%lld", (long long)page);
    snprintf(show, sizeof show, "%d", size);
    const struct alibaba_parameter parameters[] = {
        {"OrderType", "UPLOAD", false},
        {"CurrentPage", number, false},
        {"ShowSize", show, false},
        {NULL, NULL, false},
    };
    return aliyun_call(a, "ListUserCertificateOrder", parameters, out, code, e);
}

/* Looks for a name on one page. id stays "" if it is not there; more: there are further pages. */
static int page_find(const struct aliyun *a, int64_t page, const char *name,
                     char id[ALIYUN_ID_SIZE], bool *more, struct err *e)
{
    struct json_object *answer = NULL;
    if (list_call(a, page, PAGE_SIZE, &answer, e))
        return -1;
    struct json_object *list = json_array_of(answer, "CertificateOrderList");
    size_t length = list ? json_object_array_length(list) : 0;
    *id = '\0';
    for (size_t i = 0; i < length && !*id; i++) {
        const struct json_object *item = json_object_array_get_idx(list, i);
        const char *item_name = json_text_of(item, "Name");
        if (item_name && !strcmp(item_name, name))
            (void)aliyun_id_of(item, "CertificateId", id);
    }
    *more = length >= PAGE_SIZE && page < PAGES_MAX;
    json_object_put(answer);
    return 0;
}

/* ---- upload ---- */

static int look(const struct aliyun *a, struct target_work *work, struct err *e)
{
    char id[ALIYUN_ID_SIZE];
    bool more;
    const char *name = json_text_of(work->state, "name");
    if (page_find(a, page_of(work), name, id, &more, e))
        return -1;
    if (*id) {
        snprintf(work->message, sizeof work->message, "found the upload %s", id);
        remember(work, id);
        return 0;
    }
    if (more) {
        page_next(work);
        return 0;
    }
    if (json_bool_of(work->state, "taken"))
        return err_set(e, ERR_PROVIDER_REFUSED,
                       "%s says that the name %s is taken, but lists no upload of that name",
                       a->endpoint, name);
    phase_set(work, "upload");
    json_object_object_add(work->state, "asked", json_object_new_boolean(1));
    return 0;
}

static int upload_call(const struct aliyun *a, const struct target_certificate *certificate,
                       const char *name, struct json_object **out, char code[ALIBABA_CODE_SIZE],
                       struct err *e)
{
    struct aliyun_material material;
    code[0] = '\0';
    if (aliyun_material_read(certificate, &material, e))
        return -1;
    const struct alibaba_parameter parameters[] = {
        {"Name", name, false},
        {"Cert", buf_string(&material.fullchain), true},
        {"Key", buf_string(&material.key), true},
        {NULL, NULL, false},
    };
    int rc = aliyun_call(a, "UploadUserCertificate", parameters, out, code, e);
    aliyun_material_finish(&material);
    return rc;
}

static int upload(const struct aliyun *a, struct target_work *work, struct err *e)
{
    char id[ALIYUN_ID_SIZE], code[ALIBABA_CODE_SIZE];
    const char *name = json_text_of(work->state, "name");
    struct json_object *answer = NULL;
    if (work->resumed) {
        phase_set(work, "look");
        return 0;
    }
    if (upload_call(a, work->certificate, name, &answer, code, e)) {
        if (!aliyun_code_is_duplicate(code))
            return -1;
        phase_set(work, "look");
        json_object_object_add(work->state, "taken", json_object_new_boolean(1));
        return 0;
    }
    bool known = aliyun_id_of(answer, "CertId", id);
    json_object_put(answer);
    if (!known) { /* it is there, and the list says under which id */
        phase_set(work, "look");
        return 0;
    }
    snprintf(work->message, sizeof work->message, "uploaded as %s", id);
    remember(work, id);
    return 0;
}

/* ---- read back ---- */

/* Not asked for the key: the service would send it. */
static int detail_call(const struct aliyun *a, const char *id, struct json_object **out,
                       char code[ALIBABA_CODE_SIZE], struct err *e)
{
    const struct alibaba_parameter parameters[] = {
        {"CertId", id, false},
        {"CertFilter", "true", false},
        {NULL, NULL, false},
    };
    return aliyun_call(a, "GetUserCertificateDetail", parameters, out, code, e);
}

static int finish_or_tidy(struct target_work *work);

static int read_back(const struct aliyun *a, struct target_work *work, struct err *e)
{
    char code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    const char *id = json_text_of(work->state, "cert_id");
    if (detail_call(a, id, &answer, code, e)) {
        if (!aliyun_code_is_missing(code) || work->polls >= POLLS_MAX)
            return -1;
        work->outcome = TARGET_LATER; /* an upload may take a moment to be seen */
        work->delay_ms = (int64_t)2 * CLOCK_SECOND_MS;
        return 0;
    }
    const char *sha2 = json_text_of(answer, "Sha2");
    bool ours = sha2 && !strcasecmp(sha2, work->certificate->fingerprint);
    int rc =
        ours ? 0
             : err_set(e, ERR_TARGET_MISMATCH,
                       "%s shows another certificate as %s: its SHA-256 is %.64s, not %.64s",
                       a->endpoint, id, sha2 ? sha2 : "not told", work->certificate->fingerprint);
    json_object_put(answer);
    return rc ? -1 : finish_or_tidy(work);
}

/* ---- former uploads ---- */

static bool is_former(const struct target_work *work, const struct json_object *entry)
{
    const char *id = json_text_of(entry, "cert_id"), *tried = json_text_of(entry, "tried");
    if (id && !strcmp(id, json_text_of(work->state, "cert_id")))
        return false;
    return !tried || strcmp(tried, work->certificate->fingerprint) != 0;
}

/* The first former upload that was not tried for this version; -1 if there is none. */
static int former_next(struct target_work *work)
{
    struct json_object *uploads = uploads_of(work);
    for (size_t i = 0; i < json_object_array_length(uploads); i++)
        if (is_former(work, json_object_array_get_idx(uploads, i)))
            return (int)i;
    return -1;
}

static int finish_or_tidy(struct target_work *work)
{
    const char *id = json_text_of(work->state, "cert_id");
    if (former_next(work) >= 0) {
        phase_set(work, "tidy");
        return 0;
    }
    size_t kept = json_object_array_length(uploads_of(work)) - 1;
    if (kept)
        snprintf(work->message, sizeof work->message,
                 "in place as CertId %s; former uploads that stay: %zu", id, kept);
    else
        snprintf(work->message, sizeof work->message, "in place as CertId %s", id);
    phase_set(work, "done");
    work->outcome = TARGET_DONE;
    return 0;
}

/* An upload whose answer was lost and whose version is given up: what is its id? */
static int tidy_look(const struct aliyun *a, struct target_work *work, int index, struct err *e)
{
    char id[ALIYUN_ID_SIZE];
    bool more;
    struct json_object *entry = json_object_array_get_idx(uploads_of(work), (size_t)index);
    if (page_find(a, page_of(work), json_text_of(entry, "name"), id, &more, e))
        return -1;
    if (*id && uploads_have(work, id))
        *id = '\0'; /* it is in the list with its id */
    else if (!*id && more) {
        page_next(work);
        return 0;
    }
    if (*id)
        aliyun_set_text(entry, "cert_id", id);
    else
        json_object_array_del_idx(uploads_of(work), (size_t)index, 1);
    phase_set(work, "tidy");
    return 0;
}

enum former { FORMER_OURS, FORMER_GONE, FORMER_ANOTHER };

/*
 * What the id stands for by now: the endpoint or the account may be others than when it was given.
 */
static int former_read(const struct aliyun *a, const struct json_object *entry, enum former *out,
                       struct err *e)
{
    char code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    const char *ours = json_text_of(entry, "fingerprint");
    if (detail_call(a, json_text_of(entry, "cert_id"), &answer, code, e)) {
        if (!aliyun_code_is_missing(code))
            return -1;
        *out = FORMER_GONE;
        return 0;
    }
    const char *sha2 = json_text_of(answer, "Sha2");
    *out = sha2 && ours && !strcasecmp(sha2, ours) ? FORMER_OURS : FORMER_ANOTHER;
    json_object_put(answer);
    return 0;
}

static int delete_call(const struct aliyun *a, const char *id, struct err *e)
{
    const struct alibaba_parameter parameters[] = {
        {"CertId", id, false},
        {NULL, NULL, false},
    };
    char code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    if (aliyun_call(a, "DeleteUserCertificate", parameters, &answer, code, e))
        return aliyun_code_is_missing(code) ? 0 : -1;
    json_object_put(answer);
    return 0;
}

static int tidy_delete(const struct aliyun *a, struct target_work *work, int index, struct err *e)
{
    struct json_object *entry = json_object_array_get_idx(uploads_of(work), (size_t)index);
    char id[ALIYUN_ID_SIZE];
    enum former former = FORMER_GONE;
    struct err refused = {0};
    snprintf(id, sizeof id, "%s", json_text_of(entry, "cert_id"));
    int rc = former_read(a, entry, &former, &refused);
    if (rc == 0 && former == FORMER_OURS)
        rc = delete_call(a, id, &refused);
    if (rc == 0) {
        json_object_array_del_idx(uploads_of(work), (size_t)index, 1);
        snprintf(work->message, sizeof work->message, "the former upload %s %s", id,
                 former == FORMER_OURS   ? "is deleted"
                 : former == FORMER_GONE ? "is gone already"
                                         : "is another certificate here, and stays");
        return 0;
    }
    if (refused.code != ERR_PROVIDER_REFUSED) {
        *e = refused;
        return -1;
    }
    /* in use, or not ours to delete: the new one is in place all the same */
    aliyun_set_text(entry, "tried", work->certificate->fingerprint);
    snprintf(work->message, sizeof work->message, "the former upload %s stays: %.200s", id,
             refused.detail);
    return 0;
}

static int tidy(const struct aliyun *a, struct target_work *work, struct err *e)
{
    int index = former_next(work);
    if (index < 0)
        return finish_or_tidy(work);
    const struct json_object *entry = json_object_array_get_idx(uploads_of(work), (size_t)index);
    if (!json_text_of(entry, "cert_id"))
        return tidy_look(a, work, index, e);
    return tidy_delete(a, work, index, e);
}

/* ---- the type ---- */

static int cas_step(const struct target_context *context, struct target_work *work, struct err *e)
{
    static const struct {
        const char *phase;
        int (*run)(const struct aliyun *a, struct target_work *work, struct err *e);
    } phases[] = {{"look", look}, {"upload", upload}, {"read", read_back}, {"tidy", tidy}};
    struct aliyun a;
    if (aliyun_open(context, &cas_service, &a, e))
        return -1;
    if (aliyun_state_is_current(context, &a, work))
        for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
            if (!strcmp(json_text_of(work->state, "phase"), phases[i].phase))
                return phases[i].run(&a, work, e);
    begin(context, &a, work);
    return 0;
}

static int cas_test(const struct target_context *context,
                    const struct target_certificate *certificate, char message[TARGET_MESSAGE_SIZE],
                    struct err *e)
{
    struct aliyun a;
    struct json_object *answer = NULL;
    char name[NAME_SIZE] = "each version";
    if (aliyun_open(context, &cas_service, &a, e) || list_call(&a, 1, 1, &answer, e))
        return -1;
    json_object_put(answer);
    if (certificate)
        target_upload_name(certificate, name, sizeof name);
    snprintf(message, TARGET_MESSAGE_SIZE, "would upload %s to %.128s", name, a.endpoint);
    return 0;
}

const struct target_type target_aliyun_cas = {
    .name = "aliyun-cas",
    .credential_type = "alibaba-cloud",
    .credential_required = true,
    .needs_key = true,
    .cloud = true,
    .step = cas_step,
    .test = cas_test,
};
