/*
 * Callers of the service: each posts a certificate, waits for its job, and downloads the chain.
 *
 *   rest API_URL TOKEN_FILE ACCOUNT THREADS COUNT PREFIX
 *
 * Gets COUNT certificates for PREFIX-N.example.com and prints one line of JSON. The CPU time in it
 * is the callers' own.
 */
#include "acme/base/memory.h"
#include "acme/http.h"
#include "tests/bench/bench.h"

#include <json-c/json.h>
#include <string.h>

enum { THREADS_MAX = 64, WAITS_MAX = 4, TIMEOUT_MS = 40000 };

struct rest {
    const char *url;
    const char *account;
    const char *prefix;
    char *authorization;
    struct acme_http *http[THREADS_MAX];
};

/* One request with body NULL (GET) or JSON; *answer is text that the caller frees. */
static int call(const struct rest *rest, int thread, const char *path, const char *body,
                char **answer, struct err *e)
{
    const char *const headers[] = {rest->authorization, "Prefer: wait=30",
                                   "Content-Type: application/json", NULL};
    char *url = mem_printf("%s%s", rest->url, path);
    struct acme_http_request request = {.method = body ? "POST" : "GET",
                                        .url = url,
                                        .headers = headers,
                                        .body = body,
                                        .body_size = body ? strlen(body) : 0};
    struct acme_http_response response = {0};
    int rc = acme_http_send(rest->http[thread], &request, &response, e);
    if (rc == 0 && response.status / 100 != 2)
        rc = err_set(e, ERR_CONFLICT, "%s: %d %.400s", path, response.status,
                     buf_string(&response.body));
    if (rc == 0)
        *answer = mem_strdup(buf_string(&response.body));
    acme_http_response_finish(&response);
    free(url);
    return rc;
}

/* 1 if the job in text has succeeded, 0 if it is under way: then *path is where it can be asked
   for; -1 if it has ended in another way. */
static int judge(const char *text, char **path, struct err *e)
{
    struct json_object *job = json_tokener_parse(text);
    const char *state = json_object_get_string(json_object_object_get(job, "state"));
    const char *id = json_object_get_string(json_object_object_get(job, "id"));
    int rc = 0;
    if (!state || !id || !strcmp(state, "failed") || !strcmp(state, "cancelled"))
        rc = err_set(e, ERR_CONFLICT, "the job has not succeeded: %.600s", text);
    else if (!strcmp(state, "succeeded"))
        rc = 1;
    else
        *path = mem_printf("/jobs/%s", id);
    json_object_put(job);
    return rc;
}

static int issue(const struct rest *rest, int thread, const char *name, struct err *e)
{
    char *body = mem_printf("{\"identifiers\":[\"%s\"],\"account\":\"%s\"}", name, rest->account);
    char *path = mem_strdup("/certificates"), *answer = NULL;
    int state = 0;
    for (int waits = 0; state == 0 && waits < WAITS_MAX; waits++) {
        if (call(rest, thread, path, waits ? NULL : body, &answer, e) < 0) {
            state = -1;
            break;
        }
        free(path);
        path = NULL;
        state = judge(answer, &path, e);
        free(answer);
    }
    free(path);
    free(body);
    if (state == 0)
        err_set(e, ERR_CA_TIMEOUT, "the job of %s does not end", name);
    if (state <= 0)
        return -1;
    path = mem_printf("/certificates/%s/fullchain.pem", name);
    int rc = call(rest, thread, path, NULL, &answer, e);
    if (rc == 0)
        free(answer);
    free(path);
    return rc;
}

static int work(void *context, int thread, int number)
{
    const struct rest *rest = context;
    struct err e;
    char *name = number < 0 ? mem_printf("%s-warm-%d.example.com", rest->prefix, thread)
                            : mem_printf("%s-%d.example.com", rest->prefix, number);
    int rc = issue(rest, thread, name, &e);
    if (rc < 0)
        fprintf(stderr, "rest: %s: %s: %s\n", name, err_info(e.code)->name, e.detail);
    free(name);
    return rc;
}

static void open_clients(struct rest *rest, int threads)
{
    struct acme_http_options options = {
        .user_agent = "certwright-bench/1", .timeout_ms = TIMEOUT_MS, .allow_http = true};
    for (int i = 0; i < threads; i++)
        rest->http[i] = acme_http_create(&options);
}

int main(int count, char **argument)
{
    static struct rest rest;
    struct err e;
    if (count != 7) {
        fprintf(stderr, "usage: %s API_URL TOKEN_FILE ACCOUNT THREADS COUNT PREFIX\n", argument[0]);
        return 2;
    }
    struct crowd crowd = {.work = work, .context = &rest};
    crowd.threads = (int)strtol(argument[4], NULL, 10);
    crowd.count = (int)strtol(argument[5], NULL, 10);
    if (crowd.threads < 1 || crowd.threads > THREADS_MAX || crowd.count < 1)
        return 2;
    struct buf token = slurp(argument[2]);
    rest.authorization = mem_printf("Authorization: Bearer %.*s",
                                    (int)strcspn(buf_string(&token), "\n"), buf_string(&token));
    rest.url = argument[1];
    rest.account = argument[3];
    rest.prefix = argument[6];
    if (acme_http_library_init(&e) < 0) {
        fprintf(stderr, "rest: %s\n", e.detail);
        return 1;
    }
    open_clients(&rest, crowd.threads);
    crowd_run(&crowd, NULL);
    if (atomic_load(&crowd.failures))
        return 1;
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"latency\": %.6f}\n", crowd.seconds,
           crowd.cpu_seconds, quantile(crowd.latencies, (size_t)crowd.count, 0.5));
    return 0;
}
