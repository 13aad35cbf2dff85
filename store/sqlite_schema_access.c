/* The second migration: who may do what, and who did; certificates without an account; and what
   certificates are searched by. */
#include "store/sqlite.h"

#include <stddef.h>

const char *const sqlite_access_schema[] = {
    /* What is imported may have no account. SQLite's ALTER TABLE cannot take a constraint back;
       this is the way that its documentation gives, and does not copy a million rows. */
    "PRAGMA writable_schema = ON",
    "UPDATE sqlite_schema SET sql = replace (sql, ' account_id INTEGER NOT NULL ',"
    " ' account_id INTEGER ') WHERE type = 'table' AND name = 'certificate'",
    "PRAGMA writable_schema = RESET",

    /* A token from before is the admin's. */
    "ALTER TABLE token ADD COLUMN scopes TEXT NOT NULL DEFAULT '[\"admin\"]'",
    "ALTER TABLE token ADD COLUMN restrictions TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE token ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE token ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE token ADD COLUMN created_by TEXT",
    "ALTER TABLE token ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0",
    /* The token that made it, which it does not outlive. */
    "ALTER TABLE token ADD COLUMN made_by TEXT REFERENCES token (name)",
    "CREATE INDEX token_by_maker ON token (made_by) WHERE made_by IS NOT NULL",
    "ALTER TABLE certificate ADD COLUMN key_exportable INTEGER NOT NULL DEFAULT 1",

    /* The data key under the master key of before, while either is to open it. */
    "ALTER TABLE data_key ADD COLUMN former BLOB",

    /* See audit.h. n has no gaps, so it is audit_tip that counts. */
    "CREATE TABLE audit ("
    " n INTEGER PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " request TEXT,"
    " principal TEXT,"
    " address TEXT NOT NULL,"
    " method TEXT NOT NULL,"
    " route TEXT,"
    " resource TEXT,"
    " job TEXT,"
    " status INTEGER NOT NULL,"
    " code TEXT,"
    " count INTEGER NOT NULL CHECK (count > 0),"
    " previous TEXT NOT NULL,"
    " hash TEXT NOT NULL"
    ") STRICT",
    "CREATE INDEX audit_by_principal ON audit (principal, n)",
    "CREATE INDEX audit_by_resource ON audit (resource, n)",
    "CREATE TABLE audit_tip ("
    " only INTEGER PRIMARY KEY CHECK (only = 1),"
    " n INTEGER NOT NULL,"
    " hash TEXT NOT NULL,"
    " swept INTEGER NOT NULL" /* up to here entries may be deleted */
    ") STRICT",
    "INSERT INTO audit_tip (only, n, hash, swept) VALUES (1, 0,"
    " '0000000000000000000000000000000000000000000000000000000000000000', 0)",
    "CREATE TRIGGER audit_stays BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE (ABORT, 'the audit trail is only appended to'); END",
    "CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit"
    " WHEN OLD.n > (SELECT swept FROM audit_tip)"
    " BEGIN SELECT RAISE (ABORT, 'the audit trail is only appended to'); END",

    /* What a caller may follow: an event tells the state of its job from then on, and swept is the
       last seq of those that are no longer kept. */
    "ALTER TABLE event ADD COLUMN state TEXT NOT NULL DEFAULT 'running'",
    "ALTER TABLE event ADD COLUMN identifier TEXT", /* that it is about; NULL: the whole job */
    "ALTER TABLE feed ADD COLUMN swept INTEGER NOT NULL DEFAULT 0",
    "CREATE TRIGGER event_swept AFTER DELETE ON event WHEN OLD.seq > (SELECT swept FROM feed)"
    " BEGIN UPDATE feed SET swept = OLD.seq; END",
    "ALTER TABLE job ADD COLUMN requests TEXT", /* to the CA; JSON (engine/requests.h) */

    /* What deleted certificates were for, so that those who might see them may see their jobs. */
    "CREATE TABLE deleted_certificate ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " identifiers TEXT NOT NULL,"
    " labels TEXT NOT NULL,"
    " deleted_at INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX deleted_certificate_by_time ON deleted_certificate (deleted_at)",

    /* A certificate that is no resource here, while the job that revokes it lives; the id is never
       used again, since jobs and sealed keys name it. */
    "CREATE TABLE revocation ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " authority TEXT NOT NULL,"
    " account_id INTEGER NOT NULL," /* 0: the key signs */
    " leaf TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL,"
    " key BLOB," /* sealed */
    " reason INTEGER NOT NULL,"
    " job TEXT REFERENCES job (id) ON DELETE CASCADE,"
    " created_at INTEGER NOT NULL,"
    " UNIQUE (authority, fingerprint)"
    ") STRICT",
    "CREATE INDEX revocation_by_job ON revocation (job)",

    /* What certificates are searched and sorted by. not_after is the version's in use, again. */
    "ALTER TABLE certificate ADD COLUMN not_after INTEGER NOT NULL DEFAULT 0",
    "UPDATE certificate SET not_after = (SELECT not_after FROM version v"
    " WHERE v.certificate_id = certificate.id AND v.n = certificate.version) WHERE version > 0",
    "CREATE INDEX certificate_by_expiry ON certificate (not_after, name)",
    "CREATE INDEX certificate_by_creation ON certificate (created_at, name)",
    "CREATE INDEX certificate_of_account ON certificate (account_id, name)",
    "DROP INDEX certificate_by_account", /* the former does as well */
    "CREATE INDEX certificate_pending ON certificate (name) WHERE version = 0",
    "CREATE TABLE certificate_identifier ("
    " identifier TEXT NOT NULL,"
    " name TEXT NOT NULL," /* of the certificate */
    " PRIMARY KEY (identifier, name)"
    ") STRICT, WITHOUT ROWID",
    "CREATE TABLE certificate_label ("
    " key TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " PRIMARY KEY (key, value, name)"
    ") STRICT, WITHOUT ROWID",
    "INSERT INTO certificate_identifier"
    " SELECT i.value, c.name FROM certificate c, json_each (c.identifiers) i",
    "INSERT INTO certificate_label"
    " SELECT l.key, l.value, c.name FROM certificate c, json_each (c.labels) l",
    "CREATE TRIGGER certificate_is_new AFTER INSERT ON certificate BEGIN"
    " INSERT INTO certificate_identifier SELECT value, NEW.name FROM json_each (NEW.identifiers);"
    " INSERT INTO certificate_label SELECT key, value, NEW.name FROM json_each (NEW.labels); END",
    "CREATE TRIGGER certificate_is_gone AFTER DELETE ON certificate BEGIN"
    " DELETE FROM certificate_identifier WHERE name = OLD.name"
    "  AND identifier IN (SELECT value FROM json_each (OLD.identifiers));"
    " DELETE FROM certificate_label WHERE name = OLD.name"
    "  AND (key, value) IN (SELECT key, value FROM json_each (OLD.labels)); END",
    "CREATE TRIGGER certificate_has_other_names AFTER UPDATE OF identifiers ON certificate"
    " WHEN NEW.identifiers <> OLD.identifiers BEGIN"
    " DELETE FROM certificate_identifier WHERE name = OLD.name"
    "  AND identifier IN (SELECT value FROM json_each (OLD.identifiers));"
    " INSERT INTO certificate_identifier SELECT value, NEW.name FROM json_each (NEW.identifiers);"
    " END",
    /* What a job was for, if its certificate has had other names since; the one that waits for the
       next renewal is for whatever names there are then. */
    "ALTER TABLE job ADD COLUMN identifiers TEXT",
    "CREATE TRIGGER certificate_leaves_names AFTER UPDATE OF identifiers ON certificate"
    " WHEN NEW.identifiers <> OLD.identifiers BEGIN"
    " UPDATE job SET identifiers = OLD.identifiers WHERE resource_type = 'certificate'"
    "  AND resource_name = OLD.name AND resource_id = OLD.id AND identifiers IS NULL"
    "  AND (kind <> 'certificate.renew' OR finished_at > 0); END",
    "CREATE TRIGGER certificate_has_other_labels AFTER UPDATE OF labels ON certificate"
    " WHEN NEW.labels <> OLD.labels BEGIN"
    " DELETE FROM certificate_label WHERE name = OLD.name"
    "  AND (key, value) IN (SELECT key, value FROM json_each (OLD.labels));"
    " INSERT INTO certificate_label SELECT key, value, NEW.name FROM json_each (NEW.labels); END",

    /* How many unfinished jobs issue a certificate or plan for it; those without one are found. */
    "ALTER TABLE certificate ADD COLUMN planning_jobs INTEGER NOT NULL DEFAULT 0",
    "UPDATE certificate SET planning_jobs = (SELECT count (*) FROM job j WHERE finished_at = 0"
    " AND resource_type = 'certificate' AND resource_name = name AND resource_id = certificate.id"
    " AND kind IN ('certificate.issue', 'certificate.renew'))",
    "CREATE INDEX certificate_unplanned ON certificate (name) WHERE planning_jobs = 0"
    " AND renew = 1 AND renew_stopped = 0 AND version > 0 AND account_id IS NOT NULL",
    "CREATE TRIGGER job_begins_to_plan AFTER INSERT ON job"
    " WHEN NEW.kind IN ('certificate.issue', 'certificate.renew') AND NEW.finished_at = 0 BEGIN"
    " UPDATE certificate SET planning_jobs = planning_jobs + 1 WHERE id = NEW.resource_id; END",
    "CREATE TRIGGER job_has_planned AFTER UPDATE OF finished_at ON job WHEN OLD.finished_at = 0"
    " AND NEW.finished_at > 0 AND NEW.kind IN ('certificate.issue', 'certificate.renew') BEGIN"
    " UPDATE certificate SET planning_jobs = planning_jobs - 1 WHERE id = NEW.resource_id; END",
    /* Those that are few among many, so that they are counted and found without the others. */
    "CREATE INDEX certificate_failing ON certificate (id) WHERE last_error IS NOT NULL",
    "CREATE INDEX certificate_of_config ON certificate (name) WHERE origin = 'config'",
    "CREATE INDEX version_revoked ON version (certificate_id, n) WHERE state = 'revoked'",
    "CREATE INDEX job_for_person ON job (due_at)"
    " WHERE due_at = 9223372036854775807 AND finished_at = 0",
    "CREATE INDEX job_in_vain ON job (state) WHERE state IN ('failed', 'cancelled')",
    "CREATE INDEX account_by_authority ON account (authority, name)",
    "DROP INDEX certificate_by_solver",
    "CREATE INDEX certificate_of_solver ON certificate (challenge_solver, name)"
    " WHERE challenge_solver IS NOT NULL",
    "ALTER TABLE job ADD COLUMN result TEXT",
    NULL,
};
