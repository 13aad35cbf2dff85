#include "acme/problem.h"

#include "acme/base/memory.h"
#include "acme/json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char urn_prefix[] = "urn:ietf:params:acme:error:";

/* RFC 8555 section 6.7, RFC 9773 section 7.4 and the draft on profiles. */
static const struct {
    const char *name;
    enum err_code code;
} types[] = {
    {"accountDoesNotExist", ERR_CA_ACCOUNT_MISSING},
    {"alreadyReplaced", ERR_CA_ALREADY_REPLACED},
    {"alreadyRevoked", ERR_CA_ALREADY_REVOKED},
    {"badCSR", ERR_CA_BAD_CSR},
    {"badNonce", ERR_CA_BAD_NONCE},
    {"badPublicKey", ERR_CA_BAD_PUBLIC_KEY},
    {"badRevocationReason", ERR_CA_BAD_REVOCATION_REASON},
    {"badSignatureAlgorithm", ERR_CA_BAD_SIGNATURE_ALGORITHM},
    {"caa", ERR_CA_CAA},
    {"compound", ERR_CA_COMPOUND},
    {"conflict", ERR_CA_CONFLICT},
    {"connection", ERR_CA_CONNECTION},
    {"dns", ERR_CA_DNS},
    {"externalAccountRequired", ERR_CA_EAB_REQUIRED},
    {"incorrectResponse", ERR_CA_INCORRECT_RESPONSE},
    {"invalidContact", ERR_CA_INVALID_CONTACT},
    {"invalidProfile", ERR_CA_INVALID_PROFILE},
    {"malformed", ERR_CA_MALFORMED},
    {"orderNotReady", ERR_CA_ORDER_NOT_READY},
    {"rateLimited", ERR_CA_RATE_LIMITED},
    {"rejectedIdentifier", ERR_CA_REJECTED_IDENTIFIER},
    {"serverInternal", ERR_CA_SERVER_INTERNAL},
    {"tls", ERR_CA_VALIDATION_TLS},
    {"unauthorized", ERR_CA_UNAUTHORIZED},
    {"unsupportedContact", ERR_CA_UNSUPPORTED_CONTACT},
    {"unsupportedIdentifier", ERR_CA_UNSUPPORTED_IDENTIFIER},
    {"userActionRequired", ERR_CA_USER_ACTION_REQUIRED},
};

void acme_problem_finish(struct acme_problem *problem)
{
    free(problem->document);
    free(problem->type);
    free(problem->detail);
    free(problem->instance);
    free(problem->help);
    free(problem->terms);
    free(problem->unpause);
    free(problem->location);
    *problem = (struct acme_problem){0};
}

enum err_code acme_problem_code(const char *type)
{
    size_t prefix = sizeof urn_prefix - 1;
    if (!strncmp(type, urn_prefix, prefix))
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            if (!strcmp(types[i].name, type + prefix))
                return types[i].code;
    return ERR_CA_OTHER;
}

/* An https URL in a sentence ends at what no URL ends in. */
static char *url_around(const char *words, const char *inside)
{
    const char *start = NULL;
    for (const char *p = strstr(words, "https://"); p && p < inside; p = strstr(p + 1, "https://"))
        start = p;
    if (!start)
        return NULL;
    size_t size = strcspn(start, " \t\r\n\"<>");
    while (size && strchr(".,;:)]", start[size - 1]))
        size--;
    return start + size > inside ? mem_strndup(start, size) : NULL;
}

void acme_problem_see_pause(struct acme_problem *problem, struct err *e)
{
    const char *mark = problem->detail ? strstr(problem->detail, "/sfe/v1/unpause?jwt=") : NULL;
    if (e->code != ERR_CA_RATE_LIMITED || e->retry_after_ms || !mark)
        return;
    problem->unpause = url_around(problem->detail, mark);
    e->code = ERR_CA_PAUSED;
}

bool acme_problem_takes_algorithm(const struct acme_problem *problem, const char *algorithm)
{
    const char *text = problem->document ? problem->document : "";
    struct json_object *json = json_parse_object(text, strlen(text));
    struct json_object *list = json ? json_array_of(json, "algorithms") : NULL;
    size_t count = list ? json_object_array_length(list) : 0;
    bool found = false;
    for (size_t i = 0; i < count && !found; i++) {
        const char *one = json_object_get_string(json_object_array_get_idx(list, i));
        found = one && !strcmp(one, algorithm);
    }
    json_object_put(json);
    return found;
}

/* What a status alone tells; proxies in front of a CA answer without a problem document. */
static enum err_code code_by_status(int status, enum err_code otherwise)
{
    if (status == 429)
        return ERR_CA_RATE_LIMITED;
    if (status == 408)
        return ERR_CA_TIMEOUT;
    return status >= 500 ? ERR_CA_SERVER_INTERNAL : otherwise;
}

static void add_subproblem(const struct json_object *sub, bool first, struct buf *words)
{
    const char *value = json_text_of(json_object_of(sub, "identifier"), "value");
    const char *detail = json_text_of(sub, "detail");
    if (!detail)
        detail = json_text_of(sub, "type");
    if (!detail)
        return;
    buf_add_string(words, first ? " (" : "; ");
    if (value)
        buf_printf(words, "%s: ", value);
    buf_add_string(words, detail);
}

/* The CA's own sentence, then one for each subproblem (RFC 8555 section 6.7.1). */
static void add_words(const struct json_object *json, int status, struct buf *words)
{
    const char *detail = json_text_of(json, "detail");
    if (!detail)
        detail = json_text_of(json, "title");
    if (!detail)
        detail = json_text_of(json, "type");
    if (detail)
        buf_add_string(words, detail);
    else
        buf_printf(words, "an error without words, HTTP status %d", status);
    struct json_object *subs = json_array_of(json, "subproblems");
    size_t count = subs ? json_object_array_length(subs) : 0, before = words->size;
    for (size_t i = 0; i < count && words->size < ERR_DETAIL_MAX; i++)
        add_subproblem(json_object_array_get_idx(subs, i), words->size == before, words);
    if (words->size > before)
        buf_add_char(words, ')');
}

static int int_of(const struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(json, name, &value) ||
        !json_object_is_type(value, json_type_int))
        return 0;
    int n = json_object_get_int(value);
    return n >= 100 && n <= 599 ? n : 0;
}

static int fill(const struct json_object *json, const char *document, int http_status,
                struct acme_problem *problem, struct err *e)
{
    const char *type = json_text_of(json, "type");
    int status = int_of(json, "status");
    acme_problem_finish(problem);
    if (strlen(document) <= ACME_PROBLEM_MAX_BYTES)
        problem->document = mem_strdup(document);
    problem->type = mem_strdup(type);
    problem->detail = mem_strdup(json_text_of(json, "detail"));
    problem->instance = mem_strdup(json_text_of(json, "instance"));
    problem->status = status ? status : http_status;

    enum err_code code = type ? acme_problem_code(type) : ERR_CA_OTHER;
    if (code == ERR_CA_OTHER)
        code = code_by_status(problem->status, ERR_CA_OTHER);
    struct buf words = {0};
    add_words(json, problem->status, &words);
    err_set(e, code, "%s", words.data);
    e->http_status = http_status ? http_status : status;
    buf_finish(&words);
    return -1;
}

int acme_problem_from_json(const struct json_object *json, int http_status,
                           struct acme_problem *problem, struct err *e)
{
    char *document = json_write(json);
    fill(json, document, http_status, problem, e);
    free(document);
    return -1;
}

/* Whether the object says anything of RFC 9457's members. */
static bool is_problem(const struct json_object *json)
{
    return json_text_of(json, "type") || json_text_of(json, "detail") ||
           json_text_of(json, "title");
}

int acme_problem_read(const char *body, size_t size, int http_status, struct acme_problem *problem,
                      struct err *e)
{
    struct json_object *json = json_parse_object(body, size);
    if (json && is_problem(json)) {
        char *document = mem_strndup(body, size);
        fill(json, document, http_status, problem, e);
        free(document);
    } else {
        acme_problem_finish(problem);
        problem->status = http_status;
        err_set(e, code_by_status(http_status, ERR_CA_PROTOCOL),
                http_status / 100 == 3 ? "the CA redirects, which is not followed: HTTP status %d"
                                       : "HTTP status %d without a problem document",
                http_status);
        e->http_status = http_status;
    }
    json_object_put(json);
    return -1;
}
