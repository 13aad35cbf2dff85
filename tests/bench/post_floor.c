/*
 * The floor under POSTs: libmicrohttpd, and one thread that writes what has come to SQLite, all of
 * it in one transaction.
 *
 *   post_floor PORT DATABASE
 *
 * A body becomes five rows (as a certificate becomes rows of itself, its job, an event, …), durable
 * (synchronous=FULL) before the 202. No authentication, no rules, no JSON read. Threads are as many
 * as the service's. Ends with its standard input.
 */
#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "tests/bench/bench.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 2, ROWS = 5 };

/* From its first byte to its answer. */
struct request {
    struct MHD_Connection *connection;
    struct buf body;
    int is_written;
    struct request *next;
};

/* Requests whose bodies are whole. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct request *first;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};

static sqlite3 *db;
static sqlite3_stmt *insert;

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "post_floor: %s\n", what);
    exit(1);
}

static void execute(const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static void open_database(const char *path)
{
    check(sqlite3_open(path, &db) == SQLITE_OK, "no database");
    execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    execute("CREATE TABLE part (id INTEGER PRIMARY KEY, kind INTEGER, body TEXT) STRICT");
    check(sqlite3_prepare_v2(db, "INSERT INTO part (kind, body) VALUES (?1, ?2)", -1, &insert,
                             NULL) == SQLITE_OK,
          "no statement");
}

static void write_rows(const struct request *request)
{
    for (int i = 0; i < ROWS; i++) {
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_text(insert, 2, request->body.data, (int)request->body.size, SQLITE_STATIC);
        check(sqlite3_step(insert) == SQLITE_DONE, "no row");
        sqlite3_reset(insert);
    }
}

static void *write_groups(void *unused)
{
    for (;;) {
        pthread_mutex_lock(&queue.mutex);
        while (!queue.first)
            pthread_cond_wait(&queue.changed, &queue.mutex);
        struct request *group = queue.first;
        queue.first = NULL;
        pthread_mutex_unlock(&queue.mutex);
        execute("BEGIN");
        for (const struct request *r = group; r; r = r->next)
            write_rows(r);
        execute("COMMIT");
        for (struct request *next; group; group = next) {
            next = group->next;
            group->is_written = 1;
            MHD_resume_connection(group->connection);
        }
    }
    return unused;
}

static enum MHD_Result answer(struct MHD_Connection *connection)
{
    static char body[] = "{\"state\":\"queued\"}";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, 202, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **context)
{
    (void)cls, (void)url, (void)method, (void)version;
    struct request *request = *context;
    if (!request) {
        request = mem_new(1, sizeof *request);
        request->connection = connection;
        *context = request;
    } else if (*size) {
        buf_add(&request->body, data, *size);
        *size = 0;
    } else if (request->is_written) {
        return answer(connection);
    } else {
        MHD_suspend_connection(connection);
        pthread_mutex_lock(&queue.mutex);
        request->next = queue.first;
        queue.first = request;
        pthread_cond_signal(&queue.changed);
        pthread_mutex_unlock(&queue.mutex);
    }
    return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode how)
{
    (void)cls, (void)connection, (void)how;
    struct request *request = *context;
    if (request)
        buf_finish(&request->body);
    free(request);
}

int main(int count, char **argument)
{
    if (count != 3) {
        fprintf(stderr, "usage: %s PORT DATABASE\n", argument[0]);
        return 2;
    }
    open_database(argument[2]);
    pthread_t writer;
    check(pthread_create(&writer, NULL, write_groups, NULL) == 0, "no thread");
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)strtoul(argument[1], NULL, 10))};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, NULL,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_END);
    check(daemon != NULL, "no listener");
    char end;
    while (read(STDIN_FILENO, &end, 1) > 0)
        ;
    _exit(0); /* the writer has no end, and nobody asks any more */
}
