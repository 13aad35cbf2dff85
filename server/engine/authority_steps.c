/* "authority.refresh": fetches the CA's directory (RFC 8555 section 7.1.1) and keeps it. */
#include "server/engine/engine_private.h"
#include "server/engine/step.h"

static int load(struct step_context *c, struct err *e)
{
    struct err missing;
    if (authority_load(c->db, c->job.resource_name, &c->authority, &missing) == 0)
        return 0;
    c->gone = missing.code == ERR_NOT_FOUND;
    return c->gone ? 0 : context_fail(e, &missing);
}

static int fetch(struct step_context *c, struct err *e)
{
    struct acme_directory directory;
    if (context_anonymous_client(c, e) < 0 ||
        acme_directory_fetch(c->client.http, c->authority.directory_url, &directory, e) < 0)
        return -1;
    int rc = acme_ca_set_directory(c->client.ca, directory.document, e);
    acme_directory_finish(&directory);
    if (rc == 0)
        context_take_directory(c);
    return rc < 0 ? -1 : step_done(c, "the directory is fetched");
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    (void)tx, (void)c, (void)state, (void)error, (void)e;
    return 0;
}

static const struct step steps[] = {
    {"fetch", fetch, lane_of_authority, false, {NULL}},
};

const struct job_kind authority_refresh_kind = {
    .name = "authority.refresh",
    .steps = steps,
    .step_count = 1,
    .load = load,
    .end = end,
};
