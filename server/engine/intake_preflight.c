#include "acme/json.h"
#include "server/engine/intake.h"
#include "server/engine/preflight.h"

#include <json-c/json.h>
#include <stdlib.h>

/* It has no certificate's id: nothing that is done for a certificate has to wait for it. */
static int insert(struct store_tx *tx, const char *name, const char *lane, const char *args,
                  char id[ULID_SIZE], struct err *e)
{
    bool existing;
    struct job_new job = {
        .kind = preflight_kind.name,
        .step = "ask",
        .lane = lane,
        .due_at = store_tx_now(tx),
        .resource_type = "certificate",
        .resource_name = name,
        .args = args,
        .deadline_at = store_tx_now(tx), /* who asks wants to know now */
    };
    return job_insert(tx, &job, id, &existing, e);
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
    if (text)
        json_object_object_add(object, name, json_object_new_string(text));
}

static void add_stored(struct json_object *object, const char *name, const char *json)
{
    if (json)
        json_object_object_add(object, name, json_tokener_parse(json));
}

int intake_preflight(struct store_tx *tx, const struct certificate *certificate, char id[ULID_SIZE],
                     struct err *e)
{
    char lane[LANE_NAME_SIZE];
    if (!certificate->account)
        return err_set(e, ERR_CONFLICT, "\"%s\" was imported without an account: PUT it with one.",
                       certificate->name);
    lane_name_of_preflight(certificate->authority, lane);
    struct json_object *args = json_object_new_object();
    add_text(args, "account", certificate->account);
    add_text(args, "profile", certificate->profile);
    add_stored(args, "identifiers", certificate->identifiers);
    add_stored(args, "labels", certificate->labels);
    add_stored(args, "challenge", certificate->challenge);
    char *text = json_write(args);
    json_object_put(args);
    int rc = insert(tx, certificate->name, lane, text, id, e);
    free(text);
    return rc;
}

int preflight_again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE], struct err *e)
{
    struct account account;
    char lane[LANE_NAME_SIZE];
    struct json_object *args = json_tokener_parse(job->args);
    const char *name = json_text_of(args, "account");
    int rc = name ? account_load(store_tx_db(tx), name, &account, e)
                  : err_set(e, ERR_INTERNAL, "The job has lost its account.");
    json_object_put(args);
    if (rc < 0)
        return -1;
    lane_name_of_preflight(account.authority, lane);
    account_finish(&account);
    return insert(tx, job->resource_name, lane, job->args, id, e);
}
