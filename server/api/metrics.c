#include "server/api/metrics.h"

#include "acme/base/clock.h"
#include "server/api/api_private.h"
#include "server/engine/engine.h"
#include "server/engine/renewal.h"
#include "store/certificate.h"
#include "store/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Label values are names and words of ours: nothing in them needs escaping. */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- certificates ---- */

static bool is_ready(const struct certificate *c)
{
    return c->version && !c->revoked && c->not_after > clock_wall_ms();
}

/* "": it was imported without an account. */
static const char *authority_of(const struct certificate *certificate)
{
    return certificate->authority ? certificate->authority : "";
}

static void write_one_by_one(const struct certificate *list, size_t n, struct buf *out)
{
    static const char expiry[] = "certwright_certificate_not_after_timestamp_seconds";
    static const char renewal[] = "certwright_certificate_next_renewal_timestamp_seconds";
    static const char ready[] = "certwright_certificate_ready";
    head(out, expiry, "gauge", "When the certificate in use expires.");
    for (size_t i = 0; i < n; i++)
        if (list[i].version)
            buf_printf(out, "%s{name=\"%s\",authority=\"%s\"} %" PRId64 "\n", expiry, list[i].name,
                       authority_of(&list[i]), list[i].not_after / CLOCK_SECOND_MS);
    head(out, renewal, "gauge", "When the certificate is to be renewed by itself.");
    for (size_t i = 0; i < n; i++)
        if (renewal_is_wanted(&list[i]))
            buf_printf(out, "%s{name=\"%s\",authority=\"%s\"} %" PRId64 "\n", renewal, list[i].name,
                       authority_of(&list[i]), list[i].next_renewal_at / CLOCK_SECOND_MS);
    head(out, ready, "gauge", "1 while the certificate is valid now.");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s{name=\"%s\",authority=\"%s\"} %d\n", ready, list[i].name,
                   authority_of(&list[i]), is_ready(&list[i]));
}

static void write_totals(const struct certificate_totals *totals, struct buf *out)
{
    head(out, "certwright_certificates", "gauge", "Certificates, those valid now among them.");
    buf_printf(out,
               "certwright_certificates{ready=\"true\"} %" PRId64 "\n"
               "certwright_certificates{ready=\"false\"} %" PRId64 "\n",
               totals->ready, totals->all - totals->ready);
    head(out, "certwright_certificates_failing", "gauge", "Certificates whose last job failed.");
    buf_printf(out, "certwright_certificates_failing %" PRId64 "\n", totals->failing);
    if (!totals->first_expiry)
        return;
    head(out, "certwright_certificates_first_not_after_timestamp_seconds", "gauge",
         "When the first of the valid certificates expires.");
    buf_printf(out, "certwright_certificates_first_not_after_timestamp_seconds %" PRId64 "\n",
               totals->first_expiry / CLOCK_SECOND_MS);
}

static int write_each(struct db *db, struct buf *out, struct err *e)
{
    struct certificate *list;
    size_t n;
    if (certificate_list(db, NULL, METRICS_CERTIFICATES_MAX, &list, &n, e) < 0)
        return -1;
    write_one_by_one(list, n, out);
    for (size_t i = 0; i < n; i++)
        certificate_finish(&list[i]);
    free(list);
    return 0;
}

static int write_certificates(struct db *db, struct buf *out, struct err *e)
{
    struct certificate_totals totals;
    if (certificate_total(db, clock_wall_ms(), &totals, e) < 0 ||
        (totals.all <= METRICS_CERTIFICATES_MAX && write_each(db, out, e) < 0))
        return -1;
    write_totals(&totals, out);
    return 0;
}

/* ---- jobs and requests ---- */

static void write_job_count(void *context, const char *kind, enum job_state state, int64_t number)
{
    buf_printf(context, "certwright_jobs{kind=\"%s\",state=\"%s\"} %" PRId64 "\n", kind,
               job_state_name(state), number);
}

static int write_jobs(struct db *db, struct buf *out, struct err *e)
{
    head(out, "certwright_jobs", "gauge", "Jobs, those that have ended for 30 days.");
    return job_count(db, write_job_count, out, e);
}

static void write_counter(struct buf *out, const char *name, const char *help, const char *labels,
                          double value)
{
    head(out, name, "counter", help);
    buf_printf(out, "%s%s %.15g\n", name, labels, value);
}

static void write_engine(const struct engine_counters *counters, struct buf *out)
{
    static const char *const statuses[ENGINE_STATUS_CLASSES] = {"none", "1xx", "2xx",
                                                                "3xx",  "4xx", "5xx"};
    head(out, "certwright_acme_requests_total", "counter", "Requests to CAs by status.");
    for (int i = 0; i < ENGINE_STATUS_CLASSES; i++)
        buf_printf(out, "certwright_acme_requests_total{status=\"%s\"} %lu\n", statuses[i],
                   atomic_load(&counters->acme_requests[i]));
    write_counter(out, "certwright_acme_request_seconds_total", "Time that CAs took to answer.", "",
                  (double)atomic_load(&counters->acme_milliseconds) / 1000);
    write_counter(out, "certwright_job_steps_total", "Steps of jobs that were run.", "",
                  (double)atomic_load(&counters->steps));
    write_counter(out, "certwright_job_step_failures_total", "Steps of jobs that failed.", "",
                  (double)atomic_load(&counters->step_failures));
}

int metrics_write(struct api *api, struct db *db, struct buf *out, struct err *e)
{
    head(out, "certwright_build_info", "gauge", "The running version.");
    buf_printf(out, "certwright_build_info{version=\"%s\"} 1\n", CERTWRIGHT_VERSION);
    if (write_certificates(db, out, e) < 0 || write_jobs(db, out, e) < 0)
        return -1;
    write_engine(engine_counters(api->options.engine), out);
    head(out, "certwright_clock_shifted_seconds", "gauge",
         "How far the machine's clock was set since the start.");
    buf_printf(out, "certwright_clock_shifted_seconds %.3f\n", (double)clock_shifted_ms() / 1000);
    served_write(&api->served, out);
    return 0;
}
