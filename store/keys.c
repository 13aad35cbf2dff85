#include "store/keys.h"

#include "store/account.h"
#include "store/record.h"

#include <assert.h>

enum key_type keys_type(const char *name)
{
    enum key_type type = KEY_EC_P256;
    int rc = key_type_by_name(name, &type);
    assert(rc == 0);
    (void)rc;
    return type;
}

int keys_refuse_account_key(struct db *db, const char *spki_sha256, struct err *e)
{
    bool used;
    if (account_has_spki(db, spki_sha256, &used, e) < 0)
        return -1;
    if (used)
        return err_set(e, ERR_KEY_REUSED,
                       "This key is an account's; a certificate needs one of its own.");
    return 0;
}

int keys_refuse_certificate_key(struct db *db, const char *spki_sha256, struct err *e)
{
    bool of_version;
    bool given;
    if (record_exists(db, &of_version, e, "SELECT 1 FROM version WHERE spki_sha256 = ?1 LIMIT 1",
                      spki_sha256) < 0 ||
        record_exists(db, &given, e,
                      "SELECT 1 FROM certificate WHERE given_spki_sha256 = ?1 LIMIT 1",
                      spki_sha256) < 0)
        return -1;
    if (of_version || given)
        return err_set(e, ERR_KEY_REUSED,
                       "This key is a certificate's; an account needs one of its own.");
    return 0;
}
