/* Directories (RFC 8555 section 7.1.1). */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/client_private.h"
#include "acme/json.h"
#include "acme/url.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX = 2048 };

static bool is_http(const char *url)
{
    return !strncasecmp(url, "http://", 7);
}

/* A host, and no password before it: curl would refuse that as if the host did not answer. */
static bool has_plain_host(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    size_t size = strcspn(host, "/?#");
    return size > 0 && host[0] != ':' && !memchr(host, '@', size);
}

static bool is_printable(const char *url)
{
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return strlen(url) <= URL_MAX;
}

bool directory_allows_url(const char *directory_url, const char *url)
{
    if (strncasecmp(url, "https://", 8) != 0 && !(is_http(url) && is_http(directory_url)))
        return false;
    return has_plain_host(url) && is_printable(url);
}

/* A page for a person, who may be sent to http too; nothing else can be a link somewhere. */
static char *page_link(const struct acme_http_response *response, const char *relation,
                       const char *url)
{
    char *page = acme_http_link(response, relation, 0, url);
    if (page && url_is_page(page))
        return page;
    free(page);
    return NULL;
}

/* Where the thing is that a 409 speaks of; NULL if that is told in no usable way. */
static char *conflict_location(const struct acme_http_response *response, const char *url)
{
    char *location = response->status == 409 ? acme_http_header(response, "location") : NULL;
    if (location && directory_allows_url(url, location))
        return location;
    free(location);
    return NULL;
}

int directory_refusal(const struct acme_http_response *response, const char *url,
                      struct acme_problem *problem, struct err *e)
{
    acme_problem_read(buf_string(&response->body), response->body.size, response->status, problem,
                      e);
    e->retry_after_ms = acme_http_retry_after_ms(response, clock_wall_ms());
    acme_problem_see_pause(problem, e);
    problem->help = page_link(response, "help", url);
    problem->terms = page_link(response, "terms-of-service", url);
    problem->location = conflict_location(response, url);
    return -1;
}

int directory_request(struct acme_http *http, const char *url, struct acme_http_response *response,
                      struct acme_problem *problem, struct err *e)
{
    struct acme_http_request request = {.method = "GET", .url = url};
    struct acme_http_response got = {0};
    if (acme_http_send(http, &request, &got, e) < 0)
        return -1;
    if (got.status == 200) {
        *response = got;
        return 0;
    }
    directory_refusal(&got, url, problem, e);
    acme_http_response_finish(&got);
    return -1;
}

/* One endpoint; absent ones stay NULL. */
static int read_endpoint(const struct json_object *json, const char *directory_url,
                         const char *name, bool required, char **out, struct err *e)
{
    const char *url = json_text_of(json, name);
    if (!url && required)
        return err_set(e, ERR_CA_PROTOCOL, "the directory has no %s; is this an ACME directory?",
                       name);
    if (url && !directory_allows_url(directory_url, url))
        return err_set(e, ERR_CA_PROTOCOL, "the directory's %s is no usable https URL", name);
    *out = mem_strdup(url);
    return 0;
}

static int read_endpoints(const struct json_object *json, const char *directory_url,
                          struct acme_directory *d, struct err *e)
{
    const struct {
        const char *name;
        bool required;
        char **out;
    } rows[] = {
        {"newNonce", true, &d->new_nonce},    {"newAccount", true, &d->new_account},
        {"newOrder", true, &d->new_order},    {"revokeCert", false, &d->revoke_cert},
        {"keyChange", false, &d->key_change}, {"renewalInfo", false, &d->renewal_info},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read_endpoint(json, directory_url, rows[i].name, rows[i].required, rows[i].out, e) < 0)
            return -1;
    return 0;
}

int acme_directory_read(const char *document, const char *url, struct acme_directory *out,
                        struct err *e)
{
    if (strlen(document) > ACME_DOCUMENT_MAX_BYTES)
        return err_set(e, ERR_CA_PROTOCOL, "the directory is larger than %d bytes",
                       ACME_DOCUMENT_MAX_BYTES);
    struct json_object *json = json_parse_object(document, strlen(document));
    if (!json)
        return err_set(e, ERR_CA_PROTOCOL, "the directory is not a JSON object");
    struct acme_directory d = {0};
    int rc = read_endpoints(json, url, &d, e);
    if (rc == 0) {
        const struct json_object *meta = json_object_of(json, "meta");
        d.document = mem_strdup(document);
        const char *terms = json_text_of(meta, "termsOfService");
        d.terms_of_service = mem_strdup(terms && url_is_page(terms) ? terms : NULL);
        d.external_account_required = json_bool_of(meta, "externalAccountRequired");
        *out = d;
    } else {
        acme_directory_finish(&d);
    }
    json_object_put(json);
    return rc;
}

int acme_directory_fetch(struct acme_http *http, const char *url, struct acme_directory *out,
                         struct err *e)
{
    struct acme_http_response response = {0};
    struct acme_problem problem = {0};
    int rc = directory_request(http, url, &response, &problem, e);
    if (rc == 0)
        rc = acme_directory_read(buf_string(&response.body), url, out, e);
    acme_http_response_finish(&response);
    acme_problem_finish(&problem);
    return rc;
}

void acme_directory_finish(struct acme_directory *directory)
{
    free(directory->document);
    free(directory->new_nonce);
    free(directory->new_account);
    free(directory->new_order);
    free(directory->revoke_cert);
    free(directory->key_change);
    free(directory->renewal_info);
    free(directory->terms_of_service);
    *directory = (struct acme_directory){0};
}
