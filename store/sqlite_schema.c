/*
 * The schema, as numbered migrations: PRAGMA user_version counts those that are done. One that was
 * released is never edited; what comes later is appended.
 *
 * Text compares as bytes (SQLite's own BINARY). Times are milliseconds UTC, 0 where there is none.
 * The ids of accounts and certificates are never used again (AUTOINCREMENT), since jobs and sealed
 * values name them.
 */
#include "store/sqlite.h"

#include <stddef.h>

static const char *const first_schema[] = {
    /* The data key under the master key (store/seal.h). */
    "CREATE TABLE data_key ("
    " only INTEGER PRIMARY KEY CHECK (only = 1),"
    " wrapped BLOB NOT NULL,"
    " created_at INTEGER NOT NULL"
    ") STRICT",

    "CREATE TABLE token ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " hash BLOB NOT NULL CHECK (length (hash) = 32),"
    " created_at INTEGER NOT NULL"
    ") STRICT",

    "CREATE TABLE authority ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " directory_url TEXT NOT NULL,"
    " trust_bundle TEXT,"
    " test INTEGER NOT NULL,"
    " eab_required INTEGER NOT NULL,"
    " origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')),"
    " directory TEXT,"
    " terms_of_service TEXT," /* of the directory */
    " directory_fetched_at INTEGER NOT NULL DEFAULT 0,"
    " parked_until INTEGER NOT NULL DEFAULT 0,"
    " parked_reason TEXT,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",

    "CREATE TABLE account ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " authority TEXT NOT NULL REFERENCES authority (name),"
    " spec TEXT NOT NULL,"
    " contacts TEXT NOT NULL,"
    " terms_of_service_agreed INTEGER NOT NULL,"
    " only_existing INTEGER NOT NULL,"
    " eab_kid TEXT,"
    " eab_key BLOB," /* sealed */
    " eab_mac TEXT NOT NULL CHECK (eab_mac IN ('HS256', 'HS384', 'HS512')),"
    " origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')),"
    " key_type TEXT NOT NULL,"
    " key BLOB," /* sealed */
    " thumbprint TEXT,"
    " jwk TEXT,"
    " public_pem TEXT,"
    " spki_sha256 TEXT,"
    /* Beside the key while it is being changed: the CA may have either. */
    " next_key BLOB," /* sealed */
    " next_spki_sha256 TEXT,"
    " terms_agreed_url TEXT,"
    " terms_due INTEGER NOT NULL DEFAULT 0," /* to be agreed to anew */
    " status TEXT NOT NULL DEFAULT 'pending',"
    " url TEXT,"
    " ca_object TEXT,"
    " initial_ip TEXT,"
    " ca_created_at TEXT,"
    " ca_orders TEXT," /* JSON */
    " last_error TEXT,"
    " active_job TEXT,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",
    "CREATE UNIQUE INDEX account_of_key ON account (authority, spki_sha256)"
    " WHERE spki_sha256 IS NOT NULL",
    "CREATE INDEX account_by_key ON account (spki_sha256)",
    "CREATE INDEX account_by_next_key ON account (next_spki_sha256)"
    " WHERE next_spki_sha256 IS NOT NULL",

    "CREATE TABLE credential ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " type TEXT NOT NULL,"
    " settings TEXT NOT NULL,"
    " secrets_set TEXT NOT NULL,"
    " secrets BLOB NOT NULL," /* sealed */
    " origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')),"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",

    "CREATE TABLE solver ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " type TEXT NOT NULL,"
    " zones TEXT NOT NULL,"
    " credential TEXT REFERENCES credential (name),"
    " settings TEXT NOT NULL,"
    " origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')),"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX solver_by_credential ON solver (credential)",
    /* The zones again, one a row, so that a name finds its solver by its suffixes. */
    "CREATE TABLE solver_zone ("
    " zone TEXT NOT NULL,"
    " solver TEXT NOT NULL REFERENCES solver (name) ON DELETE CASCADE,"
    " PRIMARY KEY (zone, solver)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX solver_zone_by_solver ON solver_zone (solver)",

    "CREATE TABLE target ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " type TEXT NOT NULL,"
    " credential TEXT REFERENCES credential (name),"
    " settings TEXT NOT NULL,"
    " origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')),"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX target_by_credential ON target (credential)",

    "CREATE TABLE certificate ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " spec TEXT NOT NULL,"
    " revision INTEGER NOT NULL DEFAULT 1," /* counts the changes of spec */
    " identifiers TEXT NOT NULL,"
    " account_id INTEGER NOT NULL REFERENCES account (id),"
    " profile TEXT,"
    " validity_ms INTEGER NOT NULL DEFAULT 0," /* that is asked for; 0: the CA's own */
    " preferred_chain TEXT,"
    " challenge TEXT,"
    " challenge_solver TEXT," /* the solver that challenge names */
    " email TEXT,"
    " labels TEXT NOT NULL,"
    " key_type TEXT NOT NULL,"
    " key_reuse INTEGER NOT NULL,"
    " given_key BLOB," /* sealed */
    " given_csr BLOB,"
    " given_spki_sha256 TEXT," /* of either */
    " retry_for_ms INTEGER NOT NULL,"
    " origin TEXT NOT NULL CHECK (origin IN ('api', 'config', 'builtin')),"
    " version INTEGER NOT NULL DEFAULT 0,"
    " renew INTEGER NOT NULL,"
    " renew_before_ms INTEGER NOT NULL,"
    " renew_ari INTEGER NOT NULL,"
    " renew_stopped INTEGER NOT NULL DEFAULT 0,"
    " next_renewal_at INTEGER NOT NULL DEFAULT 0,"
    " renewal TEXT,"
    " last_error TEXT,"
    " active_job TEXT,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX certificate_by_account ON certificate (account_id)",
    "CREATE INDEX certificate_by_solver ON certificate (challenge_solver)"
    " WHERE challenge_solver IS NOT NULL",
    "CREATE INDEX certificate_by_given_key ON certificate (given_spki_sha256)"
    " WHERE given_spki_sha256 IS NOT NULL",

    "CREATE TABLE version ("
    " certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE CASCADE,"
    " n INTEGER NOT NULL CHECK (n > 0),"
    " revision INTEGER NOT NULL," /* of the certificate's spec that it was made from */
    " state TEXT NOT NULL CHECK (state IN ('prepared', 'valid', 'revoked', 'failed')),"
    " key_type TEXT NOT NULL,"
    " key BLOB," /* sealed */
    " spki_sha256 TEXT NOT NULL,"
    " csr BLOB NOT NULL,"
    " leaf TEXT,"
    " chain TEXT,"
    " serial TEXT,"
    " issuer TEXT,"
    " not_before INTEGER NOT NULL DEFAULT 0,"
    " not_after INTEGER NOT NULL DEFAULT 0,"
    " created_at INTEGER NOT NULL,"
    " issued_at INTEGER NOT NULL DEFAULT 0,"
    " revoked_at INTEGER NOT NULL DEFAULT 0,"
    " revocation_reason INTEGER NOT NULL DEFAULT -1,"
    " PRIMARY KEY (certificate_id, n)"
    ") STRICT",
    "CREATE INDEX version_by_key ON version (spki_sha256)",

    /* What a certificate is installed on; the id is never used again, since jobs name it. */
    "CREATE TABLE deployment ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL," /* in the certificate's list */
    " target TEXT NOT NULL REFERENCES target (name),"
    " parameters TEXT NOT NULL,"
    " version INTEGER NOT NULL DEFAULT 0," /* that is installed */
    " deployed_at INTEGER NOT NULL DEFAULT 0,"
    " memory TEXT NOT NULL DEFAULT '{}'," /* the target type's own */
    " failures INTEGER NOT NULL DEFAULT 0,"
    " error TEXT,"
    " active_job TEXT,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " UNIQUE (certificate_id, target, parameters)"
    ") STRICT",
    "CREATE INDEX deployment_by_target ON deployment (target)",

    "CREATE TABLE job ("
    " n INTEGER PRIMARY KEY AUTOINCREMENT," /* in order of commit */
    " id TEXT NOT NULL UNIQUE CHECK (length (id) = 26),"
    " kind TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK"
    "  (state IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),"
    " step TEXT NOT NULL,"
    " attempt INTEGER NOT NULL DEFAULT 0,"
    " epoch INTEGER NOT NULL DEFAULT 0,"
    " wake_epoch INTEGER NOT NULL DEFAULT -1," /* see job.c */
    " lane TEXT NOT NULL,"
    " due_at INTEGER NOT NULL,"
    " resource_type TEXT NOT NULL,"
    " resource_name TEXT NOT NULL,"
    " resource_id INTEGER NOT NULL,"
    " part INTEGER NOT NULL," /* of the resource: a deployment; 0: all of it */
    " args TEXT NOT NULL,"
    " exclusive INTEGER NOT NULL,"
    " error TEXT,"
    " deadline_at INTEGER NOT NULL,"
    " cancel_requested_at INTEGER NOT NULL DEFAULT 0,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL DEFAULT 0"
    ") STRICT",
    "CREATE INDEX job_due ON job (lane, due_at) WHERE finished_at = 0",
    "CREATE UNIQUE INDEX job_exclusive ON job (kind, resource_type, resource_name, resource_id,"
    " part)"
    " WHERE exclusive = 1 AND finished_at = 0 AND cancel_requested_at = 0",
    "CREATE INDEX job_finished ON job (finished_at) WHERE finished_at > 0",
    "CREATE INDEX job_by_resource ON job (resource_type, resource_name)",
    "CREATE INDEX job_by_kind ON job (kind, state)",

    /* The counter of events: unlike the highest seq that is left, it survives their deletion. */
    "CREATE TABLE feed (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL) STRICT",
    "INSERT INTO feed (only, seq) VALUES (1, 0)",
    "CREATE TABLE event ("
    " seq INTEGER PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,"
    " step TEXT NOT NULL,"
    " message TEXT NOT NULL"
    ") STRICT",
    "CREATE INDEX event_by_job ON event (job, seq)",

    /* A CA's limit on the account or its address, by the step that met it. */
    "CREATE TABLE account_limit ("
    " account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
    " step TEXT NOT NULL,"
    " until INTEGER NOT NULL,"
    " PRIMARY KEY (account_id, step)"
    ") STRICT",

    /* Outlives its certificate while its job runs, so that what it began can be taken back. */
    "CREATE TABLE acme_order ("
    " n INTEGER PRIMARY KEY AUTOINCREMENT," /* in order of commit */
    " id TEXT NOT NULL UNIQUE CHECK (length (id) = 26),"
    " job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,"
    " certificate_id INTEGER NOT NULL,"
    " certificate TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " account TEXT NOT NULL,"
    " authority TEXT NOT NULL,"
    " url TEXT,"
    " status TEXT NOT NULL,"
    " document TEXT,"
    " finalize_url TEXT,"
    " certificate_url TEXT,"
    " expires_at INTEGER NOT NULL,"
    " error TEXT,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX acme_order_by_job ON acme_order (job)",
    "CREATE INDEX acme_order_by_certificate ON acme_order (certificate)",
    "CREATE INDEX acme_order_by_certificate_id ON acme_order (certificate_id)",

    "CREATE TABLE authorization ("
    " acme_order TEXT NOT NULL REFERENCES acme_order (id) ON DELETE CASCADE,"
    " idx INTEGER NOT NULL,"
    " url TEXT NOT NULL,"
    " step TEXT NOT NULL CHECK (step IN ('new', 'chosen', 'announced', 'presented', 'visible',"
    "  'responded', 'valid', 'invalid')),"
    " status TEXT,"
    " document TEXT,"
    " identifier_type TEXT,"
    " identifier_value TEXT,"
    " wildcard INTEGER NOT NULL,"
    " challenge_type TEXT,"
    " challenge_url TEXT,"
    " token TEXT,"
    " key_authorization TEXT,"
    " solver TEXT,"
    " record_name TEXT,"
    " record_zone TEXT,"
    " record_value TEXT,"
    " detail TEXT,"
    " error TEXT,"
    " PRIMARY KEY (acme_order, idx)"
    ") STRICT",

    /* No reference to the order: what is out there must be taken back without it, too. */
    "CREATE TABLE duty ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " acme_order TEXT NOT NULL,"
    " idx INTEGER NOT NULL,"
    " solver TEXT NOT NULL,"
    " record_name TEXT NOT NULL,"
    " record_zone TEXT,"
    " record_value TEXT NOT NULL,"
    " state TEXT,"
    " UNIQUE (acme_order, idx, record_name, record_value)"
    ") STRICT",
    "CREATE INDEX duty_by_solver ON duty (solver)",

    "CREATE TABLE idempotency ("
    " scope TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " body TEXT NOT NULL," /* its fingerprint */
    " job TEXT NOT NULL,"
    " at INTEGER NOT NULL,"
    " PRIMARY KEY (scope, key)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX idempotency_by_time ON idempotency (at)",

    /* How far the wall clock was set since then, and how far back that start moved times. */
    "CREATE TABLE clock ("
    " only INTEGER PRIMARY KEY CHECK (only = 1),"
    " since INTEGER NOT NULL,"
    " shifted INTEGER NOT NULL,"
    " moved INTEGER NOT NULL DEFAULT 0"
    ") STRICT",
    NULL,
};

const char *const *const sqlite_migrations[] = {first_schema, sqlite_access_schema,
                                                sqlite_totals_schema};
