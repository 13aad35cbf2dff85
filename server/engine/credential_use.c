#include "server/engine/credential_use.h"

#include "acme/base/buffer.h"
#include "store/credential.h"

#include <json-c/json.h>

int credential_use_open(struct db *db, const char *name, struct json_object **out, struct err *e)
{
    struct buf text = {0};
    if (credential_open(db, name, &text, e) < 0)
        return -1;
    struct json_object *credential = json_tokener_parse(buf_string(&text));
    buf_finish_secret(&text);
    if (!credential)
        return err_set(e, ERR_INTERNAL, "The credential \"%s\" cannot be read.", name);
    *out = credential;
    return 0;
}

void credential_use_finish(struct json_object *credential)
{
    if (!credential)
        return;
    struct json_object_iterator at = json_object_iter_begin(credential);
    struct json_object_iterator last = json_object_iter_end(credential);
    for (; !json_object_iter_equal(&at, &last); json_object_iter_next(&at)) {
        struct json_object *value = json_object_iter_peek_value(&at);
        if (json_object_is_type(value, json_type_string))
            json_object_set_string(value, "");
    }
    json_object_put(credential);
}
