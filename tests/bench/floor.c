/*
 * The floor under GETs: libmicrohttpd and one row of SQLite by its key, nothing else.
 *
 *   floor PORT DATABASE BODY_FILE ROWS
 *
 * Makes a database of ROWS rows that all hold the bytes of BODY_FILE, and answers GET /NAME with
 * the row of that name (row-0, row-1, …). No authentication, no rules, no JSON made. Threads are as
 * many as the service's. Ends with its standard input.
 */
#include "acme/base/buffer.h"
#include "tests/bench/bench.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 2 };

static const char *database;

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static void fill(const struct buf *body, int rows)
{
    sqlite3 *db;
    sqlite3_stmt *insert;
    check(sqlite3_open(database, &db) == SQLITE_OK, "no database");
    check(sqlite3_exec(db,
                       "PRAGMA journal_mode = WAL; BEGIN;"
                       "CREATE TABLE certificate (name TEXT PRIMARY KEY, body TEXT) STRICT",
                       NULL, NULL, NULL) == SQLITE_OK,
          "no table");
    check(sqlite3_prepare_v2(db, "INSERT INTO certificate VALUES ('row-' || ?1, ?2)", -1, &insert,
                             NULL) == SQLITE_OK,
          "no statement");
    for (int i = 0; i < rows; i++) {
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_text(insert, 2, body->data, (int)body->size, SQLITE_STATIC);
        check(sqlite3_step(insert) == SQLITE_DONE, "no row");
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    check(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "no commit");
    sqlite3_close(db);
}

/* This thread's statement. */
static sqlite3_stmt *statement(void)
{
    static _Thread_local sqlite3_stmt *own;
    sqlite3 *db;
    if (own)
        return own;
    check(sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
              SQLITE_OK,
          "no database");
    check(sqlite3_prepare_v2(db, "SELECT body FROM certificate WHERE name = ?1", -1, &own, NULL) ==
              SQLITE_OK,
          "no statement");
    return own;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **request)
{
    static char seen;
    (void)cls;
    (void)method;
    (void)version;
    (void)data;
    (void)size;
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    }
    sqlite3_stmt *row = statement();
    sqlite3_bind_text(row, 1, url + 1, -1, SQLITE_STATIC);
    bool found = sqlite3_step(row) == SQLITE_ROW;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        found ? (size_t)sqlite3_column_bytes(row, 0) : 0,
        found ? (void *)(uintptr_t)sqlite3_column_text(row, 0) : NULL, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, found ? 200 : 404, response);
    MHD_destroy_response(response);
    sqlite3_reset(row);
    return result;
}

int main(int count, char **argument)
{
    if (count != 5) {
        fprintf(stderr, "usage: %s PORT DATABASE BODY_FILE ROWS\n", argument[0]);
        return 2;
    }
    database = argument[2];
    struct buf body = slurp(argument[3]);
    fill(&body, (int)strtol(argument[4], NULL, 10));
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)strtoul(argument[1], NULL, 10))};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)&at, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_END);
    check(daemon != NULL, "no listener");
    char end;
    while (read(STDIN_FILENO, &end, 1) > 0)
        ;
    MHD_stop_daemon(daemon);
    buf_finish(&body);
    return 0;
}
