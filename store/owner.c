#include "store/owner.h"

#include "store/record.h"

#include <stddef.h>

static const struct table {
    const char *what;
    const char *set;
    const char *release;
} tables[] = {
    [OWNED_AUTHORITY] = {"authority", "UPDATE authority SET origin = ?2 WHERE name = ?1",
                         "UPDATE authority SET origin = 'api' WHERE origin = 'config'"},
    [OWNED_CREDENTIAL] = {"credential", "UPDATE credential SET origin = ?2 WHERE name = ?1",
                          "UPDATE credential SET origin = 'api' WHERE origin = 'config'"},
    [OWNED_SOLVER] = {"solver", "UPDATE solver SET origin = ?2 WHERE name = ?1",
                      "UPDATE solver SET origin = 'api' WHERE origin = 'config'"},
    [OWNED_TARGET] = {"target", "UPDATE target SET origin = ?2 WHERE name = ?1",
                      "UPDATE target SET origin = 'api' WHERE origin = 'config'"},
    [OWNED_ACCOUNT] = {"account", "UPDATE account SET origin = ?2 WHERE name = ?1",
                       "UPDATE account SET origin = 'api' WHERE origin = 'config'"},
    [OWNED_CERTIFICATE] = {"certificate", "UPDATE certificate SET origin = ?2 WHERE name = ?1",
                           "UPDATE certificate SET origin = 'api' WHERE origin = 'config'"},
};

int owner_release_config(struct store_tx *tx, struct err *e)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (db_run(store_tx_db(tx), NULL, e, tables[i].release, "") < 0)
            return -1;
    return 0;
}

int owner_set(struct store_tx *tx, enum owned kind, const char *name, enum origin origin,
              struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e, tables[kind].set, "tt", name, origin_name(origin)) < 0)
        return -1;
    return record_expect(changed, e, tables[kind].what, name);
}
