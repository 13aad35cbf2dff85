#include "acme/base/buffer.h"
#include "acme/json.h"
#include "server/engine/preflight.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>

static const char *const names[] = {
    [PREFLIGHT_OK] = "ok",
    [PREFLIGHT_WARNING] = "warning",
    [PREFLIGHT_FAILED] = "failed",
};

static void count(struct preflight_report *report, const char *status)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        report->counts[i] += status && !strcmp(names[i], status);
}

void preflight_report_init(struct preflight_report *report, const char *result)
{
    *report = (struct preflight_report){.checks = json_object_new_array()};
    struct json_object *before = result ? json_tokener_parse(result) : NULL;
    struct json_object *checks = json_array_of(before, "checks");
    for (size_t i = 0; checks && i < json_object_array_length(checks); i++) {
        struct json_object *check = json_object_array_get_idx(checks, i);
        count(report, json_text_of(check, "status"));
        json_object_array_add(report->checks, json_object_get(check));
    }
    json_object_put(before);
}

void preflight_report_finish(struct preflight_report *report)
{
    json_object_put(report->checks);
}

char *preflight_report_write(const struct preflight_report *report)
{
    enum preflight_status worst = report->counts[PREFLIGHT_FAILED]    ? PREFLIGHT_FAILED
                                  : report->counts[PREFLIGHT_WARNING] ? PREFLIGHT_WARNING
                                                                      : PREFLIGHT_OK;
    struct json_object *result = json_object_new_object();
    json_object_object_add(result, "status", json_object_new_string(names[worst]));
    json_object_object_add(result, "checks", json_object_get(report->checks));
    char *text = json_write(result);
    json_object_put(result);
    return text;
}

static struct json_object *text_or_null(const char *text)
{
    return text ? json_object_new_string(text) : NULL;
}

void preflight_report_add(struct preflight_report *report, const char *identifier,
                          const char *check, enum preflight_status status, const char *hint,
                          const char *format, ...)
{
    struct buf detail = {0};
    struct json_object *item = json_object_new_object();
    va_list args;
    va_start(args, format);
    buf_vprintf(&detail, format, args);
    va_end(args);
    json_object_object_add(item, "identifier", text_or_null(identifier));
    json_object_object_add(item, "check", json_object_new_string(check));
    json_object_object_add(item, "status", json_object_new_string(names[status]));
    json_object_object_add(item, "detail", json_object_new_string(buf_string(&detail)));
    json_object_object_add(item, "hint", text_or_null(hint));
    json_object_array_add(report->checks, item);
    report->counts[status]++;
    buf_finish(&detail);
}
