#include "server/engine/intake.h"
#include "server/engine/step.h"

#include <string.h>

int intake_revocation(struct store_tx *tx, struct revocation *revocation, const struct key *key,
                      char id[ULID_SIZE], struct err *e)
{
    char lane[LANE_NAME_SIZE];
    bool found;
    if (revocation_find(store_tx_db(tx), revocation->authority, revocation->fingerprint, &found, id,
                        e) < 0)
        return -1;
    if (found)
        return 0;
    if (revocation_insert(tx, revocation, key, e) < 0)
        return -1;
    lane_name_of_authority(revocation->authority, lane);
    struct job_new job = {
        .kind = revocation_send_kind.name,
        .step = "revoke",
        .lane = lane,
        .due_at = store_tx_now(tx),
        .resource_type = "authority",
        .resource_name = revocation->authority,
        .resource_id = revocation->id,
        .deadline_at = store_tx_now(tx) + INTAKE_RETRY_DEFAULT_MS,
        .exclusive = true,
    };
    bool existing;
    if (job_insert(tx, &job, id, &existing, e) < 0)
        return -1;
    return revocation_set_job(tx, revocation->id, id, e);
}
