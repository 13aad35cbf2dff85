#include "server/engine/responders.h"

#include "acme/base/log.h"
#include "server/engine/engine_private.h"
#include "server/engine/step.h"
#include "server/solver/http01.h"
#include "server/solver/tls_alpn01.h"

#include <stdlib.h>
#include <string.h>

static const char http01[] = "http-01", tls_alpn01[] = "tls-alpn-01";

bool responders_do(const char *challenge_type)
{
    return challenge_type &&
           (!strcmp(challenge_type, http01) || !strcmp(challenge_type, tls_alpn01));
}

int responders_add(const struct engine_options *options, const struct duty *duty, struct err *e)
{
    struct identifier id;
    if (!strcmp(duty->solver, http01))
        return http01_add(options->http01, duty->order, duty->record_name, duty->record_value, e);
    if (!options->tls_alpn01)
        return err_set(e, ERR_NO_CHALLENGE,
                       "tls-alpn-01 cannot be answered: the config has no tls_alpn01_listen.");
    if (identifier_parse(duty->record_name, &id, e) < 0)
        return -1;
    return tls_alpn01_add(options->tls_alpn01, duty->order, &id, duty->record_value, e);
}

void responders_remove(const struct engine_options *options, const struct duty *duty)
{
    struct identifier id;
    struct err ignored;
    if (!strcmp(duty->solver, http01))
        http01_remove(options->http01, duty->order, duty->record_name);
    else if (options->tls_alpn01 && identifier_parse(duty->record_name, &id, &ignored) == 0)
        tls_alpn01_remove(options->tls_alpn01, duty->order, &id, duty->record_value);
}

void responders_take_back(const struct step_context *c)
{
    for (size_t i = 0; i < c->authorization_count; i++) {
        const struct authorization *row = &c->authorizations[i];
        if (!responders_do(row->challenge_type) || !row->key_authorization)
            continue;
        struct duty duty = {
            .solver = row->challenge_type,
            .record_name =
                strcmp(row->challenge_type, http01) != 0 ? row->identifier_value : row->token,
            .record_value = row->key_authorization,
        };
        memcpy(duty.order, c->order.id, ULID_SIZE);
        responders_remove(&c->engine->options, &duty);
    }
}

static int fill_one(const struct engine_options *options, struct db *db, const char *solver,
                    struct err *e)
{
    struct duty *duties;
    size_t count;
    if (duty_list_of_solver(db, solver, &duties, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct err error;
        /* Its order can do without: the CA's refusal leads to a second one. */
        if (responders_add(options, &duties[i], &error) < 0)
            log_warn("a challenge is not answered any more", "name", duties[i].record_name,
                     "detail", error.detail, NULL);
        duty_finish(&duties[i]);
    }
    free(duties);
    return 0;
}

int responders_fill(const struct engine_options *options, struct db *db, struct err *e)
{
    return fill_one(options, db, http01, e) < 0 ? -1 : fill_one(options, db, tls_alpn01, e);
}
