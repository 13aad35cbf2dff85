/* The list of an account's orders (RFC 8555 section 7.1.2.1). */
#include "acme/base/memory.h"
#include "acme/client_private.h"
#include "acme/json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* The list so far, and the pages it came from. */
struct walk {
    struct acme_order_list list;
    char *pages[ACME_ORDER_LIST_PAGES_MAX];
    size_t page_count;
};

void acme_order_list_finish(struct acme_order_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->urls[i]);
    free(list->urls);
    *list = (struct acme_order_list){0};
}

static void walk_finish(struct walk *walk)
{
    acme_order_list_finish(&walk->list);
    for (size_t i = 0; i < walk->page_count; i++)
        free(walk->pages[i]);
}

/* The page's array: a member of an object, the whole body (smallstep), or NULL. */
static struct json_object *array_of(struct json_object *json)
{
    return json_object_is_type(json, json_type_array) ? json : json_array_of(json, "orders");
}

static int add_orders(const struct acme_client *client, const struct json_object *array,
                      struct acme_order_list *list, struct err *e)
{
    size_t count = json_object_array_length(array), room = ACME_ORDER_LIST_MAX - list->count;
    if (count > room) {
        list->truncated = true;
        count = room;
    }
    list->urls = mem_grow(list->urls, list->count + count + 1, sizeof *list->urls);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        const char *url =
            json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        if (client_check_url(client, "order", url, &list->urls[list->count], e) < 0)
            return -1;
        list->count++;
    }
    return 0;
}

static int read_page(const struct acme_client *client, const struct acme_http_response *response,
                     struct acme_order_list *list, struct err *e)
{
    struct json_object *json = json_parse_any(buf_string(&response->body), response->body.size);
    const struct json_object *array = array_of(json);
    int rc = array ? add_orders(client, array, list, e)
                   : err_set(e, ERR_CA_PROTOCOL, "the CA's list of orders is none");
    json_object_put(json);
    return rc;
}

/* Takes over url as the next page, unless it was there already or there are too many. */
static bool turn_page(struct walk *walk, char *url)
{
    bool fresh = walk->page_count < ACME_ORDER_LIST_PAGES_MAX && !walk->list.truncated;
    for (size_t i = 0; i < walk->page_count && fresh; i++)
        fresh = strcmp(walk->pages[i], url) != 0;
    if (fresh) {
        walk->pages[walk->page_count++] = url;
    } else {
        walk->list.truncated = true;
        free(url);
    }
    return fresh;
}

/* Reads the page last turned to. 1 if there is another, 0 at the end, -1 with e. */
static int fetch_page(struct acme_client *client, struct walk *walk, struct err *e)
{
    const char *url = walk->pages[walk->page_count - 1];
    struct client_post post = {.url = url, .payload = ""};
    struct acme_http_response response = {0};
    if (client_post(client, &post, &response, e) < 0)
        return -1;
    int rc = read_page(client, &response, &walk->list, e);
    char *link = rc == 0 ? acme_http_link(&response, "next", 0, url) : NULL, *next = NULL;
    acme_http_response_finish(&response);
    if (link)
        rc = client_check_url(client, "next page of orders", link, &next, e);
    free(link);
    if (rc < 0 || !next)
        return rc;
    return turn_page(walk, next);
}

int acme_account_list_orders(struct acme_client *client, const char *orders_url,
                             struct acme_order_list *out, struct err *e)
{
    struct walk walk = {0};
    int rc = turn_page(&walk, mem_strdup(orders_url));
    while (rc == 1)
        rc = fetch_page(client, &walk, e);
    if (rc == 0) {
        *out = walk.list;
        walk.list = (struct acme_order_list){0};
    }
    walk_finish(&walk);
    return rc;
}
