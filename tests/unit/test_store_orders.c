/* Orders, their authorizations, and the duties to clean up. */
#include "store/order.h"
#include "tests/unit/store_fixture.h"

struct new_order {
    const char *job;
    const char *certificate;
    char id[ULID_SIZE];
};

static int insert_order(struct store_tx *tx, void *arg, struct err *e)
{
    struct new_order *new = arg;
    char *job = mem_strdup(new->job), *name = mem_strdup(new->certificate);
    char account[] = "main", authority[] = "ca";
    struct order order = {.job = job,
                          .certificate_id = 3,
                          .certificate = name,
                          .version = 2,
                          .account = account,
                          .authority = authority};
    int rc = order_insert(tx, &order, e);
    memcpy(new->id, order.id, ULID_SIZE);
    free(job);
    free(name);
    return rc;
}

static struct new_order new_order(struct fixture *f, const char *job, const char *certificate)
{
    struct new_order new = {job, certificate, ""};
    must(f, insert_order, &new);
    return new;
}

static int update_order(struct store_tx *tx, void *id, struct err *e)
{
    char url[] = "https://ca/o/1", status[] = "ready", document[] = "{\"status\":\"ready\"}";
    char finalize[] = "https://ca/f", certificate[] = "https://ca/c", error[] = "{\"e\":1}";
    struct order order = {.url = url,
                          .status = status,
                          .document = document,
                          .finalize_url = finalize,
                          .certificate_url = certificate,
                          .expires_at = 4711,
                          .error = error};
    memcpy(order.id, id, ULID_SIZE);
    return order_update(tx, &order, e);
}

static void test_an_order_follows_the_ca(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 0);
    struct order order;
    struct err e;
    must(f, fixture_insert_job, &job);
    struct new_order new = new_order(f, job.id, "a");
    assert_true(ulid_is(new.id));
    assert_ok(order_load(f->db, new.id, &order, &e), e);
    assert_string_equal(order.id, new.id);
    assert_string_equal(order.job, job.id);
    assert_int_equal(order.certificate_id, 3);
    assert_string_equal(order.certificate, "a");
    assert_int_equal(order.version, 2);
    assert_string_equal(order.account, "main");
    assert_string_equal(order.authority, "ca");
    assert_string_equal(order.status, "new");
    assert_null(order.url);
    assert_null(order.document);
    assert_int_equal(order.expires_at, 0);
    assert_true(order.created_at > 0);
    order_finish(&order);

    must(f, update_order, new.id);
    fixture_reopen(f);
    assert_ok(order_load_of_job(f->db, job.id, &order, &e), e);
    assert_string_equal(order.url, "https://ca/o/1");
    assert_string_equal(order.status, "ready");
    assert_string_equal(order.document, "{\"status\":\"ready\"}");
    assert_string_equal(order.finalize_url, "https://ca/f");
    assert_string_equal(order.certificate_url, "https://ca/c");
    assert_int_equal(order.expires_at, 4711);
    assert_string_equal(order.error, "{\"e\":1}");
    assert_string_equal(order.certificate, "a");
    order_finish(&order);
}

static void test_missing_orders(void **state)
{
    struct fixture *f = *state;
    char nobody[ULID_SIZE] = "nobody";
    struct order order, *list;
    size_t count;
    struct err e;
    assert_fails(order_load(f->db, nobody, &order, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "There is no order \"nobody\".");
    assert_fails(order_load_of_job(f->db, nobody, &order, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, update_order, nobody, &e), e, ERR_NOT_FOUND);
    assert_fails(order_list(f->db, NULL, nobody, 9, &list, &count, &e), e, ERR_NOT_FOUND);
}

static void expect_page(struct fixture *f, const char *certificate, const char *after, size_t limit,
                        const struct new_order *const expected[], size_t expected_count)
{
    struct order *list;
    size_t count;
    struct err e;
    assert_ok(order_list(f->db, certificate, after, limit, &list, &count, &e), e);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(list[i].id, expected[i]->id);
        order_finish(&list[i]);
    }
    free(list);
}

static void test_lists_are_newest_first(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 0);
    struct order order;
    struct err e;
    must(f, fixture_insert_job, &job);
    struct new_order a = new_order(f, job.id, "a"), b = new_order(f, job.id, "b");
    struct new_order c = new_order(f, job.id, "a");
    expect_page(f, NULL, NULL, 2, (const struct new_order *[]){&c, &b}, 2);
    expect_page(f, NULL, b.id, 2, (const struct new_order *[]){&a}, 1);
    expect_page(f, "a", NULL, 9, (const struct new_order *[]){&c, &a}, 2);
    expect_page(f, "a", c.id, 9, (const struct new_order *[]){&a}, 1);
    expect_page(f, "x", NULL, 9, NULL, 0);
    assert_ok(order_load_of_job(f->db, job.id, &order, &e), e);
    assert_string_equal(order.id, c.id);
    order_finish(&order);
}

/* ---- authorizations ---- */

static int put_authorization(struct store_tx *tx, void *arg, struct err *e)
{
    return authorization_put(tx, arg, e);
}

/* The order's second authorization, with all that one can have. */
static int put_full(struct store_tx *tx, void *order, struct err *e)
{
    char url[] = "https://ca/z/1", status[] = "pending", document[] = "{}", type[] = "dns";
    char value[] = "a.example", dns01[] = "dns-01", challenge[] = "https://ca/ch", token[] = "tok";
    char key_authorization[] = "tok.thumb", solver[] = "s", name[] = "_acme-challenge.a.example";
    char zone[] = "example", text[] = "txt", detail[] = "2 of 3", error[] = "{\"e\":1}";
    struct authorization full = {.index = 1,
                                 .url = url,
                                 .step = AUTHORIZATION_RESPONDED,
                                 .status = status,
                                 .document = document,
                                 .identifier_type = type,
                                 .identifier_value = value,
                                 .wildcard = true,
                                 .challenge_type = dns01,
                                 .challenge_url = challenge,
                                 .token = token,
                                 .key_authorization = key_authorization,
                                 .solver = solver,
                                 .record_name = name,
                                 .record_zone = zone,
                                 .record_value = text,
                                 .detail = detail,
                                 .error = error};
    memcpy(full.order, order, ULID_SIZE);
    return authorization_put(tx, &full, e);
}

static void expect_full(const struct authorization *a)
{
    assert_string_equal(a->url, "https://ca/z/1");
    assert_int_equal(a->step, AUTHORIZATION_RESPONDED);
    assert_string_equal(a->status, "pending");
    assert_string_equal(a->document, "{}");
    assert_string_equal(a->identifier_type, "dns");
    assert_string_equal(a->identifier_value, "a.example");
    assert_true(a->wildcard);
    assert_string_equal(a->challenge_type, "dns-01");
    assert_string_equal(a->challenge_url, "https://ca/ch");
    assert_string_equal(a->token, "tok");
    assert_string_equal(a->key_authorization, "tok.thumb");
    assert_string_equal(a->solver, "s");
    assert_string_equal(a->record_name, "_acme-challenge.a.example");
    assert_string_equal(a->record_zone, "example");
    assert_string_equal(a->record_value, "txt");
    assert_string_equal(a->detail, "2 of 3");
    assert_string_equal(a->error, "{\"e\":1}");
}

static void test_authorizations_are_replaced(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 0);
    must(f, fixture_insert_job, &job);
    struct new_order order = new_order(f, job.id, "a");
    char url[] = "https://ca/z/0";
    struct authorization brief = {.index = 1, .url = url};
    memcpy(brief.order, order.id, ULID_SIZE);
    must(f, put_authorization, &brief);
    brief.index = 0;
    must(f, put_authorization, &brief);
    must(f, put_full, order.id);

    struct authorization *list;
    size_t count;
    struct err e;
    assert_ok(authorization_list(f->db, order.id, &list, &count, &e), e);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].index, 0);
    assert_string_equal(list[0].url, url);
    assert_int_equal(list[0].step, AUTHORIZATION_NEW);
    assert_null(list[0].status);
    assert_null(list[0].solver);
    assert_false(list[0].wildcard);
    assert_int_equal(list[1].index, 1);
    assert_string_equal(list[1].order, order.id);
    expect_full(&list[1]);
    for (size_t i = 0; i < count; i++)
        authorization_finish(&list[i]);
    free(list);
}

static void test_every_step_is_kept(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 0);
    must(f, fixture_insert_job, &job);
    struct new_order order = new_order(f, job.id, "a");
    char url[] = "u";
    struct authorization authorization = {.url = url};
    memcpy(authorization.order, order.id, ULID_SIZE);
    for (int i = AUTHORIZATION_NEW; i <= AUTHORIZATION_INVALID; i++) {
        authorization.index = i;
        authorization.step = (enum authorization_step)i;
        must(f, put_authorization, &authorization);
    }
    struct authorization *list;
    size_t count;
    struct err e;
    assert_ok(authorization_list(f->db, order.id, &list, &count, &e), e);
    assert_int_equal(count, AUTHORIZATION_INVALID + 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].step, i);
        authorization_finish(&list[i]);
    }
    free(list);
    assert_string_equal(authorization_step_name(AUTHORIZATION_ANNOUNCED), "announced");
}

/* ---- duties ---- */

struct new_duty {
    const char *order;
    int64_t index;
    const char *solver;
    const char *value;
};

static int insert_duty(struct store_tx *tx, void *arg, struct err *e)
{
    const struct new_duty *new = arg;
    char *solver = mem_strdup(new->solver), *value = mem_strdup(new->value), name[] = "name";
    char zone[] = "zone";
    struct duty duty = {.index = new->index,
                        .solver = solver,
                        .record_name = name,
                        .record_zone = new->index ? zone : NULL,
                        .record_value = value};
    memcpy(duty.order, new->order, ULID_SIZE);
    int rc = duty_insert(tx, &duty, e);
    free(solver);
    free(value);
    return rc;
}

static int set_state(struct store_tx *tx, void *arg, struct err *e)
{
    const struct new_duty *duty = arg;
    return duty_set_state(tx, duty->order, duty->index, "{\"record\":7}", e);
}

static int delete_duty(struct store_tx *tx, void *id, struct err *e)
{
    return duty_delete(tx, *(int64_t *)id, e);
}

static void finish_duties(struct duty *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        duty_finish(&list[i]);
    free(list);
}

static void test_duties_are_kept_until_deleted(void **state)
{
    struct fixture *f = *state;
    static const char one[] = "01ARZ3NDEKTSV4RRFFQ69G5FA1", two[] = "01ARZ3NDEKTSV4RRFFQ69G5FA2";
    struct new_duty http = {one, 0, "http-01", "ka"}, dns = {one, 1, "dns", "txt"};
    struct new_duty other = {two, 0, "http-01", "ka2"};
    struct duty *list;
    size_t count;
    struct err e;
    must(f, insert_duty, &dns);
    must(f, insert_duty, &http);
    must(f, insert_duty, &http); /* a step that is done again announces it once */
    must(f, insert_duty, &other);
    must(f, set_state, &dns);
    fixture_reopen(f);
    assert_ok(duty_list(f->db, one, &list, &count, &e), e);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].order, one);
    assert_string_equal(list[0].solver, "http-01");
    assert_string_equal(list[0].record_name, "name");
    assert_null(list[0].record_zone);
    assert_string_equal(list[0].record_value, "ka");
    assert_null(list[0].state);
    assert_int_equal(list[1].index, 1);
    assert_string_equal(list[1].record_zone, "zone");
    assert_string_equal(list[1].state, "{\"record\":7}");
    int64_t id = list[0].id;
    finish_duties(list, count);

    assert_ok(duty_list_of_solver(f->db, "http-01", &list, &count, &e), e);
    assert_int_equal(count, 2);
    finish_duties(list, count);
    must(f, delete_duty, &id);
    must(f, delete_duty, &id); /* who cleaned up before the crash need not know */
    assert_ok(duty_list_of_solver(f->db, "http-01", &list, &count, &e), e);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].order, two);
    finish_duties(list, count);
    assert_fails(store_write_wait(f->store, set_state, &http, &e), e, ERR_NOT_FOUND);
}

static void test_two_orders_may_owe_one_record(void **state)
{
    struct fixture *f = *state;
    static const char one[] = "01ARZ3NDEKTSV4RRFFQ69G5FA1", two[] = "01ARZ3NDEKTSV4RRFFQ69G5FA2";
    struct new_duty first = {one, 1, "dns", "txt"}, same = {two, 4, "dns", "txt"};
    struct new_duty elsewhere = {two, 1, "other", "txt"}, another = {two, 2, "dns", "text"};
    struct duty *list;
    size_t count;
    struct err e;
    bool shared;
    must(f, insert_duty, &first);
    must(f, insert_duty, &elsewhere);
    must(f, insert_duty, &another);
    assert_ok(duty_list(f->db, one, &list, &count, &e), e);
    assert_ok(duty_is_shared(f->db, &list[0], &shared, &e), e);
    assert_false(shared);
    must(f, insert_duty, &same);
    assert_ok(duty_is_shared(f->db, &list[0], &shared, &e), e);
    assert_true(shared);
    finish_duties(list, count);
}

/* ---- what accounts and orders have under way ---- */

static void put_at(struct fixture *f, const char *order, const char *at,
                   enum authorization_step step, const char *status)
{
    char *url = mem_strdup(at), *word = mem_strdup(status);
    struct authorization row = {.url = url, .step = step, .status = word};
    memcpy(row.order, order, ULID_SIZE);
    must(f, put_authorization, &row);
    free(url);
    free(word);
}

static bool has_challenges(struct fixture *f)
{
    bool has;
    struct err e;
    assert_ok(order_account_has_challenges(f->db, "main", &has, &e), e);
    return has;
}

static bool is_shared(struct fixture *f, const char *order)
{
    struct authorization *list;
    size_t count;
    bool shared;
    struct err e;
    assert_ok(authorization_list(f->db, order, &list, &count, &e), e);
    assert_int_equal(count, 1);
    assert_ok(authorization_is_shared(f->db, &list[0], &shared, &e), e);
    authorization_finish(&list[0]);
    free(list);
    return shared;
}

static int collect(void *context, const char *order, struct err *e)
{
    struct buf *orders = context;
    (void)e;
    buf_printf(orders, "%s ", order);
    return 0;
}

static void expect_pending(struct fixture *f, const char *job, const char *first,
                           const char *second)
{
    struct buf orders = {0};
    struct err e;
    assert_ok(authorization_pending_orders(f->db, job, collect, &orders, &e), e);
    assert_int_equal(orders.size, (first ? ULID_SIZE : 0) + (second ? ULID_SIZE : 0));
    assert_true(!first || strstr(buf_string(&orders), first));
    assert_true(!second || strstr(buf_string(&orders), second));
    buf_finish(&orders);
}

static void test_challenges_under_way(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 0), person = fixture_job("ca", INT64_MAX);
    must(f, fixture_insert_job, &job);
    must(f, fixture_insert_job, &person);
    struct new_order a = new_order(f, job.id, "a"), b = new_order(f, person.id, "b");
    put_at(f, a.id, "https://ca/z/1", AUTHORIZATION_NEW, NULL);
    put_at(f, b.id, "https://ca/z/2", AUTHORIZATION_ANNOUNCED, "pending");
    assert_false(has_challenges(f));
    put_at(f, a.id, "https://ca/z/1", AUTHORIZATION_CHOSEN, "pending");
    assert_true(has_challenges(f));
    put_at(f, a.id, "https://ca/z/1", AUTHORIZATION_VALID, "valid");
    assert_false(has_challenges(f));
    put_at(f, a.id, "https://ca/z/1", AUTHORIZATION_RESPONDED, "pending");
    new_order(f, job.id, "a"); /* what was before a second order is over */
    assert_false(has_challenges(f));
}

static void test_what_orders_leave_pending(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 0), other = fixture_job("ca", 0);
    must(f, fixture_insert_job, &job);
    must(f, fixture_insert_job, &other);
    struct new_order a = new_order(f, job.id, "a"), b = new_order(f, job.id, "a");
    struct new_order c = new_order(f, other.id, "c");
    put_at(f, a.id, "https://ca/z/1", AUTHORIZATION_RESPONDED, "pending");
    put_at(f, b.id, "https://ca/z/2", AUTHORIZATION_NEW, NULL);
    put_at(f, c.id, "https://ca/z/1", AUTHORIZATION_NEW, NULL);
    expect_pending(f, job.id, a.id, b.id);
    assert_true(is_shared(f, a.id));
    assert_false(is_shared(f, b.id));
    put_at(f, a.id, "https://ca/z/1", AUTHORIZATION_INVALID, "invalid");
    put_at(f, b.id, "https://ca/z/2", AUTHORIZATION_RESPONDED, "deactivated");
    expect_pending(f, job.id, NULL, NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_an_order_follows_the_ca),
        CASE(test_missing_orders),
        CASE(test_lists_are_newest_first),
        CASE(test_authorizations_are_replaced),
        CASE(test_every_step_is_kept),
        CASE(test_duties_are_kept_until_deleted),
        CASE(test_two_orders_may_owe_one_record),
        CASE(test_challenges_under_way),
        CASE(test_what_orders_leave_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
