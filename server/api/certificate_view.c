#include "server/api/certificate_view.h"

#include "acme/base/buffer.h"
#include "acme/base/clock.h"
#include "server/api/call.h"
#include "server/api/show.h"
#include "server/engine/renewal.h"

#include <json-c/json.h>
#include <string.h>

/* ---- loading ---- */

static const char *status_of(const struct certificate *certificate)
{
    if (!certificate->version)
        return "pending";
    if (certificate->revoked)
        return "revoked";
    return certificate->not_after < clock_wall_ms() ? "expired" : "valid";
}

int certificate_view_load(struct db *db, const struct certificate *certificate,
                          struct certificate_view *out, struct err *e)
{
    struct certificate_view view = {.certificate = certificate, .status = status_of(certificate)};
    if (certificate->has_targets &&
        deployment_list(db, certificate->id, &view.targets, &view.target_count, e) < 0)
        return -1;
    *out = view;
    return 0;
}

void certificate_view_finish(struct certificate_view *view)
{
    deployment_list_finish(view->targets, view->target_count);
    *view = (struct certificate_view){0};
}

/* ---- as JSON ---- */

static struct json_object *show_key(const struct certificate *certificate)
{
    struct json_object *key = json_object_new_object();
    show_add_text(key, "type", key_type_name(certificate->key_type));
    show_add_bool(key, "reuse", certificate->key_reuse);
    show_add_bool(key, "exportable", certificate->key_exportable);
    show_add_text(key, "spki_sha256", certificate->spki_sha256);
    return key;
}

static struct json_object *show_challenge(const struct certificate *certificate)
{
    struct json_object *challenge = show_stored(certificate->challenge);
    if (challenge && !json_object_object_get_ex(challenge, "solver", NULL))
        json_object_object_add(challenge, "solver", NULL);
    return challenge;
}

static void show_version(const struct certificate *certificate, struct json_object *json)
{
    show_add_bool(json, "trusted", certificate->trusted);
    json_object_object_add(
        json, "version", certificate->version ? json_object_new_int64(certificate->version) : NULL);
    show_add_text(json, "serial", certificate->serial);
    show_add_text(json, "issuer", certificate->issuer);
    show_add_time(json, "not_before", certificate->not_before);
    show_add_time(json, "not_after", certificate->not_after);
}

static struct json_object *show_renew(const struct certificate *certificate)
{
    struct json_object *renew = json_object_new_object();
    int64_t before = certificate->renew_before_ms / CLOCK_SECOND_MS;
    show_add_bool(renew, "enabled", certificate->renew);
    json_object_object_add(renew, "before_seconds", before ? json_object_new_int64(before) : NULL);
    show_add_bool(renew, "use_ari", certificate->renew_ari);
    return renew;
}

/* What the CA said of the renewal; NULL: it was not asked, or has nothing to say. */
static struct json_object *show_renewal(const struct certificate *certificate)
{
    struct renewal_memory memory;
    struct json_object *json = NULL;
    renewal_memory_read(certificate->renewal, certificate->version, &memory);
    if (memory.asked_at) {
        json = json_object_new_object();
        show_add_time(json, "window_start", memory.window_start);
        show_add_time(json, "window_end", memory.window_end);
        show_add_text(json, "explanation_url", memory.explanation_url);
        show_add_time(json, "asked_at", memory.asked_at);
        show_add_time(json, "ask_again_at", memory.ask_again_at);
        show_add_text(json, "error", memory.error);
    }
    renewal_memory_finish(&memory);
    return json;
}

static void show_plan(const struct certificate *certificate, struct json_object *json)
{
    bool is_planned = renewal_is_wanted(certificate);
    show_add_time(json, "next_renewal_at", is_planned ? certificate->next_renewal_at : 0);
    json_object_object_add(json, "renewal", is_planned ? show_renewal(certificate) : NULL);
}

static const char *state_of(const struct deployment *row)
{
    if (row->failures > 0)
        return "failed";
    return row->version > 0 && !row->active_job ? "deployed" : "pending";
}

static struct json_object *show_target(const struct deployment *row)
{
    struct json_object *item = show_stored(row->parameters);
    show_add_text(item, "target", row->target);
    show_add_text(item, "state", state_of(row));
    json_object_object_add(item, "version",
                           row->version ? json_object_new_int64(row->version) : NULL);
    json_object_object_add(item, "error",
                           show_failure(row->active_error ? row->active_error : row->error));
    show_add_text(item, "job", row->active_job);
    show_add_time(item, "deployed_at", row->deployed_at);
    return item;
}

static struct json_object *show_targets(const struct certificate_view *view)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < view->target_count; i++)
        json_object_array_add(array, show_target(&view->targets[i]));
    return array;
}

static struct json_object *show_trouble(const struct certificate *certificate)
{
    if (certificate->active_error)
        return show_failure(certificate->active_error);
    return show_last_error(certificate->last_error, certificate->person_error);
}

struct json_object *certificate_view_show(const struct certificate_view *view)
{
    const struct certificate *certificate = view->certificate;
    struct json_object *json = json_object_new_object();
    show_add_text(json, "name", certificate->name);
    json_object_object_add(json, "identifiers", show_stored(certificate->identifiers));
    show_add_text(json, "authority", certificate->authority);
    show_add_text(json, "account", certificate->account);
    show_add_text(json, "profile", certificate->profile);
    int64_t validity = certificate->validity_ms / CLOCK_SECOND_MS;
    json_object_object_add(json, "validity_seconds",
                           validity ? json_object_new_int64(validity) : NULL);
    json_object_object_add(json, "key", show_key(certificate));
    show_add_text(json, "email", certificate->email);
    json_object_object_add(json, "challenge", show_challenge(certificate));
    show_add_text(json, "preferred_chain", certificate->preferred_chain);
    json_object_object_add(json, "labels", show_stored(certificate->labels));
    json_object_object_add(json, "renew", show_renew(certificate));
    show_add_text(json, "status", view->status);
    show_version(certificate, json);
    show_plan(certificate, json);
    json_object_object_add(json, "last_error", show_trouble(certificate));
    show_add_text(json, "active_job", certificate->active_job);
    json_object_object_add(json, "targets", show_targets(view));
    show_add_text(json, "managed_by", origin_name(certificate->origin));
    show_add_time(json, "created_at", certificate->created_at);
    show_add_time(json, "updated_at", certificate->updated_at);
    return json;
}

/* ---- as a tag: of whatever is shown above ---- */

static void tag_text(struct buf *tag, const char *text)
{
    buf_add_char(tag, text ? '"' : '-');
    if (text)
        buf_add(tag, text, strlen(text) + 1);
}

static void tag_int(struct buf *tag, int64_t value)
{
    buf_add(tag, &value, sizeof value);
}

static void tag_spec(struct buf *tag, const struct certificate *c)
{
    const char *const texts[] = {c->name,      c->identifiers,     c->authority,
                                 c->account,   c->profile,         c->email,
                                 c->challenge, c->preferred_chain, c->labels};
    const int64_t numbers[] = {c->validity_ms,     c->key_type,      c->key_reuse, c->renew,
                               c->renew_before_ms, c->renew_ari,     c->origin,    c->created_at,
                               c->updated_at,      c->key_exportable};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        tag_text(tag, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        tag_int(tag, numbers[i]);
}

static void tag_state(struct buf *tag, const struct certificate *c)
{
    const char *const texts[] = {c->spki_sha256, c->serial,       c->issuer,       c->renewal,
                                 c->last_error,  c->person_error, c->active_error, c->active_job};
    const int64_t numbers[] = {c->trusted,   c->version,         c->not_before,
                               c->not_after, c->next_renewal_at, renewal_is_wanted(c)};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        tag_text(tag, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        tag_int(tag, numbers[i]);
}

static void tag_target(struct buf *tag, const struct deployment *row)
{
    tag_text(tag, row->target);
    tag_text(tag, row->parameters);
    tag_text(tag, row->error);
    tag_text(tag, row->active_error);
    tag_text(tag, row->active_job);
    tag_int(tag, row->version);
    tag_int(tag, row->failures);
    tag_int(tag, row->deployed_at);
}

void certificate_view_tag(const struct certificate_view *view, char etag[HTTP_ETAG_SIZE])
{
    struct buf tag = {0};
    tag_text(&tag, CERTWRIGHT_VERSION); /* which may show the same in another way */
    tag_text(&tag, view->status);
    tag_spec(&tag, view->certificate);
    tag_state(&tag, view->certificate);
    for (size_t i = 0; i < view->target_count; i++)
        tag_target(&tag, &view->targets[i]);
    http_etag(tag.data, tag.size, etag);
    buf_finish(&tag);
}

/* ---- in a call ---- */

int certificate_show(struct db *db, const struct certificate *certificate, struct json_object **out,
                     struct err *e)
{
    struct certificate_view view;
    if (certificate_view_load(db, certificate, &view, e) < 0)
        return -1;
    *out = certificate_view_show(&view);
    certificate_view_finish(&view);
    return 0;
}

int certificate_answer(struct call *call, int status, struct db *db,
                       const struct certificate *certificate, struct err *e)
{
    struct certificate_view view;
    if (certificate_view_load(db, certificate, &view, e) < 0)
        return -1;
    call_answer(call, status, certificate_view_show(&view));
    certificate_view_tag(&view, call->out.etag);
    certificate_view_finish(&view);
    return 0;
}

int certificate_if_match(const struct call *call, struct db *db,
                         const struct certificate *certificate, struct err *e)
{
    struct certificate_view view;
    char etag[HTTP_ETAG_SIZE];
    if (certificate_view_load(db, certificate, &view, e) < 0)
        return -1;
    certificate_view_tag(&view, etag);
    certificate_view_finish(&view);
    return http_if_match(call->x, etag, e);
}
