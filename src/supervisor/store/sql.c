/*
 * See sql.h. WAL with synchronous=FULL: a committed row survives a power cut (NORMAL may roll back the last
 * commits). The connection holds the file exclusively; blobs live in files, so the rows stay small and the
 * page cache may be.
 */
#include "supervisor/store/sql.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SCHEMA_VERSION 1

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_INSERT,
    SQL_LIFE,
    SQL_STEP,
    SQL_WORK,
    SQL_DELETE,
    SQL_RECOVER,
    SQL_EACH,
    SQL_COUNT
};

static const char *const statements[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_INSERT] =
        "INSERT INTO task(id,tenant,state,priority,attempt,blamed,interrupted,ephemeral,created_ms,timeout_s,"
        "source_count,bytes,options,sources) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
    [SQL_LIFE] = "SELECT state,attempt,blamed,interrupted,owner IS ?2 FROM task WHERE id=?1",
    [SQL_STEP] = "UPDATE task SET state=?5,attempt=?6,blamed=?7,interrupted=?8,owner=?9,"
                 "started_ms=coalesce(?10,started_ms),done_ms=coalesce(?11,done_ms),fetched_ms=coalesce(?12,"
                 "fetched_ms),"
                 "error_kind=coalesce(?13,error_kind),error_message=coalesce(?14,error_message),"
                 "result_bytes=coalesce(?15,result_bytes),content_type=coalesce(?16,content_type),"
                 "documents=coalesce(?17,documents),succeeded=coalesce(?18,succeeded),partial=coalesce(?19,"
                 "partial),"
                 "failed=coalesce(?20,failed),pages=coalesce(?21,pages) "
                 "WHERE id=?1 AND state=?2 AND attempt=?3 AND owner IS ?4",
    [SQL_WORK] = "SELECT options,sources FROM task WHERE id=?1",
    [SQL_DELETE] = "DELETE FROM task WHERE id=?1 AND state=?2 AND attempt=?3",
    [SQL_RECOVER] = "UPDATE task SET state=1,interrupted=interrupted+1,owner=NULL,started_ms=NULL "
                    "WHERE state=2 AND owner IS NOT ?1",
    [SQL_EACH] =
        "SELECT id,tenant,state,priority,attempt,blamed,interrupted,ephemeral,created_ms,started_ms,done_ms,"
        "fetched_ms,timeout_s,source_count,bytes,error_kind,error_message,result_bytes,content_type,"
        "documents,"
        "succeeded,partial,failed,pages FROM task ORDER BY created_ms,id",
};

static const char schema
    [] = "CREATE TABLE task("
         "id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, state INT NOT NULL, priority INT NOT NULL,"
         "attempt INT NOT NULL, blamed INT NOT NULL, interrupted INT NOT NULL, owner TEXT,"
         "ephemeral INT NOT NULL, created_ms INT NOT NULL, started_ms INT, done_ms INT, fetched_ms INT,"
         "timeout_s REAL NOT NULL, source_count INT NOT NULL, bytes INT NOT NULL, options TEXT NOT NULL,"
         "sources TEXT NOT NULL, error_kind TEXT, error_message TEXT, result_bytes INT,"
         "content_type TEXT, documents INT, succeeded INT, partial INT, failed INT, pages INT"
         ") STRICT, WITHOUT ROWID;"
         "PRAGMA user_version=1;";

struct db {
    sqlite3 *handle;
    sqlite3_stmt *prepared[SQL_COUNT];
    char *boot;
};

static int fail(struct db *db, int rc, const char *what, struct err *err)
{
    int kind = ERR_IO;
    switch (rc & 0xff) {
    case SQLITE_FULL: kind = ERR_LIMIT; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: kind = ERR_BUSY; break;
    case SQLITE_NOMEM: kind = ERR_MEMORY; break;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE: kind = ERR_BUG; break;
    default: break;
    }
    return err_fail(err, kind, "store: %s: %s", what,
                    db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
}

static int exec(struct db *db, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(db, rc, sql, err);
}

static int read_int(struct db *db, const char *sql, int *ret, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int value = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;
    (void)sqlite3_finalize(st); /* repeats the error of the step */
    if (rc != SQLITE_ROW)
        return fail(db, rc, sql, err);
    *ret = value;
    return 0;
}

static int setup_schema(struct db *db, const char *path, struct err *err)
{
    int version;
    int rc = read_int(db, "PRAGMA user_version", &version, err);
    if (rc < 0)
        return rc;
    if (version == SCHEMA_VERSION)
        return 0;
    if (version != 0)
        return err_fail(
            err, ERR_UNSUPPORTED,
            "%s has schema version %d, this platend knows %d: use a newer platend or another folder", path,
            version, SCHEMA_VERSION);
    rc = exec(db, "BEGIN IMMEDIATE", err);
    if (rc == 0)
        rc = exec(db, schema, err);
    return rc < 0 ? rc : exec(db, "COMMIT", err);
}

int db_open(const char *path, const char *boot, struct db **ret, struct err *err)
{
    struct db *db = xnew(struct db);
    db->boot = xstrdup(boot);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    rc = rc == SQLITE_OK ? 0 : fail(db, rc, path, err);
    if (rc == 0) {
        (void)sqlite3_extended_result_codes(db->handle, 1);
        (void)sqlite3_busy_timeout(db->handle, 5000);
        rc = exec(db,
                  "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                  "PRAGMA journal_size_limit=4194304; PRAGMA wal_autocheckpoint=500; PRAGMA cache_size=-256;"
                  "PRAGMA foreign_keys=OFF; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY",
                  err);
    }
    if (rc == 0)
        rc = setup_schema(db, path, err);
    for (int i = 0; rc == 0 && i < SQL_COUNT; i++) {
        int prc = sqlite3_prepare_v3(db->handle, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                     &db->prepared[i], NULL);
        if (prc != SQLITE_OK)
            rc = fail(db, prc, statements[i], err);
    }
    if (rc < 0) {
        db_close(db);
        return rc;
    }
    *ret = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_finalize(db->prepared[i]);
    (void)sqlite3_close_v2(db->handle);
    free(db->boot);
    free(db);
}

/* Runs a prepared statement that yields no rows; resets it. */
static int run(struct db *db, enum statement which, const char *what, struct err *err)
{
    sqlite3_stmt *st = db->prepared[which];
    int rc = sqlite3_step(st);
    int out = rc == SQLITE_DONE ? 0 : fail(db, rc, what, err);
    (void)sqlite3_reset(st); /* repeats the error of the step */
    (void)sqlite3_clear_bindings(st);
    return out;
}

int db_begin(struct db *db, struct err *err)
{
    return run(db, SQL_BEGIN, "begin", err);
}

int db_commit(struct db *db, struct err *err)
{
    int rc = run(db, SQL_COMMIT, "commit", err);
    if (rc < 0)
        db_rollback(db);
    return rc;
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        (void)run(db, SQL_ROLLBACK, "rollback", NULL); /* fails only when SQLite has rolled back itself */
}

static void bind_text(sqlite3_stmt *st, int i, const char *s)
{
    if (s)
        (void)sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

static void bind_time(sqlite3_stmt *st, int i, int64_t ms)
{
    if (ms)
        (void)sqlite3_bind_int64(st, i, ms);
}

int db_insert(struct db *db, const struct task_row *row, const char *options, const char *sources,
              struct err *err)
{
    sqlite3_stmt *st = db->prepared[SQL_INSERT];
    bind_text(st, 1, row->id);
    bind_text(st, 2, row->tenant);
    (void)sqlite3_bind_int(st, 3, (int)row->life.state);
    (void)sqlite3_bind_int(st, 4, row->priority);
    (void)sqlite3_bind_int(st, 5, row->life.attempt);
    (void)sqlite3_bind_int(st, 6, row->life.blamed);
    (void)sqlite3_bind_int(st, 7, row->life.interrupted);
    (void)sqlite3_bind_int(st, 8, row->ephemeral);
    (void)sqlite3_bind_int64(st, 9, row->created_ms);
    (void)sqlite3_bind_double(st, 10, row->timeout_s);
    (void)sqlite3_bind_int64(st, 11, row->source_count);
    (void)sqlite3_bind_int64(st, 12, (int64_t)row->bytes);
    bind_text(st, 13, options);
    bind_text(st, 14, sources);
    return run(db, SQL_INSERT, "insert", err);
}

int db_life(struct db *db, const char *id, struct life *ret, struct err *err)
{
    sqlite3_stmt *st = db->prepared[SQL_LIFE];
    bind_text(st, 1, id);
    bind_text(st, 2, db->boot);
    int rc = sqlite3_step(st);
    int out = 0;
    if (rc == SQLITE_DONE) {
        *ret = (struct life){.state = LIFE_NONE};
    } else if (rc == SQLITE_ROW) {
        int state = sqlite3_column_int(st, 0);
        if (state <= LIFE_NONE || state >= LIFE_STATE_COUNT)
            out = err_fail(err, ERR_IO, "store: task %s has state %d", id, state);
        else if (state == LIFE_RUNNING && !sqlite3_column_int(st, 4))
            out = err_fail(err, ERR_BUSY, "task %s belongs to another platend", id);
        else
            *ret = (struct life){(enum life_state)state, sqlite3_column_int(st, 1), sqlite3_column_int(st, 2),
                                 sqlite3_column_int(st, 3)};
    } else {
        out = fail(db, rc, "select", err);
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return out;
}

int db_step(struct db *db, const char *id, const struct life *from, const struct life *to,
            const struct row_news *news, struct err *err)
{
    sqlite3_stmt *st = db->prepared[SQL_STEP];
    bind_text(st, 1, id);
    (void)sqlite3_bind_int(st, 2, (int)from->state);
    (void)sqlite3_bind_int(st, 3, from->attempt);
    bind_text(st, 4, from->state == LIFE_RUNNING ? db->boot : NULL);
    (void)sqlite3_bind_int(st, 5, (int)to->state);
    (void)sqlite3_bind_int(st, 6, to->attempt);
    (void)sqlite3_bind_int(st, 7, to->blamed);
    (void)sqlite3_bind_int(st, 8, to->interrupted);
    bind_text(st, 9, to->state == LIFE_RUNNING ? db->boot : NULL);
    bind_time(st, 10, news->started_ms);
    bind_time(st, 11, news->done_ms);
    bind_time(st, 12, news->fetched_ms);
    if (news->error_kind) {
        bind_text(st, 13, err_name(news->error_kind));
        bind_text(st, 14, news->error_message);
    }
    const struct row_result *r = news->result;
    if (r) {
        (void)sqlite3_bind_int64(st, 15, (int64_t)r->bytes);
        bind_text(st, 16, r->content_type);
        (void)sqlite3_bind_int64(st, 17, r->documents);
        (void)sqlite3_bind_int64(st, 18, r->succeeded);
        (void)sqlite3_bind_int64(st, 19, r->partial);
        (void)sqlite3_bind_int64(st, 20, r->failed);
        (void)sqlite3_bind_int64(st, 21, r->pages);
    }
    int rc = run(db, SQL_STEP, "update", err);
    if (rc == 0 && sqlite3_changes(db->handle) != 1)
        return err_fail(err, ERR_BUSY, "task %s has moved on", id);
    return rc;
}

static char *column_dup(sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    return xstrdup(s ? s : "");
}

int db_work(struct db *db, const char *id, char **ret_options, char **ret_sources, struct err *err)
{
    sqlite3_stmt *st = db->prepared[SQL_WORK];
    bind_text(st, 1, id);
    int rc = sqlite3_step(st);
    int out = 0;
    if (rc == SQLITE_ROW) {
        *ret_options = column_dup(st, 0);
        *ret_sources = column_dup(st, 1);
    } else {
        out = rc == SQLITE_DONE ? err_fail(err, ERR_NOTFOUND, "no such task") : fail(db, rc, "select", err);
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return out;
}

int db_delete(struct db *db, const char *id, const struct life *from, struct err *err)
{
    sqlite3_stmt *st = db->prepared[SQL_DELETE];
    bind_text(st, 1, id);
    (void)sqlite3_bind_int(st, 2, (int)from->state);
    (void)sqlite3_bind_int(st, 3, from->attempt);
    int rc = run(db, SQL_DELETE, "delete", err);
    if (rc == 0 && sqlite3_changes(db->handle) != 1)
        return err_fail(err, ERR_BUSY, "task %s has moved on", id);
    return rc;
}

int db_recover(struct db *db, unsigned *ret_count, struct err *err)
{
    bind_text(db->prepared[SQL_RECOVER], 1, db->boot);
    int rc = run(db, SQL_RECOVER, "recovery", err);
    if (rc == 0)
        *ret_count = (unsigned)sqlite3_changes(db->handle);
    return rc;
}

static const char *column_text(sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    return s ? s : "";
}

static int read_row(sqlite3_stmt *st, struct task_row *row, struct err *err)
{
    const char *id = column_text(st, 0);
    int state = sqlite3_column_int(st, 2);
    if (!uuid_valid(id) || state <= LIFE_NONE || state >= LIFE_STATE_COUNT)
        return err_fail(err, ERR_IO, "store: a row is damaged (id %.40s, state %d)", id, state);
    memcpy(row->id, id, UUID_BYTES);
    row->tenant = column_text(st, 1);
    row->life = (struct life){(enum life_state)state, sqlite3_column_int(st, 4), sqlite3_column_int(st, 5),
                              sqlite3_column_int(st, 6)};
    row->priority = sqlite3_column_int(st, 3);
    row->ephemeral = sqlite3_column_int(st, 7) != 0;
    row->created_ms = sqlite3_column_int64(st, 8);
    row->started_ms = sqlite3_column_int64(st, 9);
    row->done_ms = sqlite3_column_int64(st, 10);
    row->fetched_ms = sqlite3_column_int64(st, 11);
    row->timeout_s = sqlite3_column_double(st, 12);
    row->source_count = (uint32_t)sqlite3_column_int64(st, 13);
    row->bytes = (uint64_t)sqlite3_column_int64(st, 14);
    const char *kind = column_text(st, 15);
    row->error_kind = *kind ? err_kind_of_name(kind) : 0;
    row->error_message = column_text(st, 16);
    row->result.bytes = (uint64_t)sqlite3_column_int64(st, 17);
    (void)snprintf(row->result.content_type, sizeof(row->result.content_type), "%s", column_text(st, 18));
    row->result.documents = (uint32_t)sqlite3_column_int64(st, 19);
    row->result.succeeded = (uint32_t)sqlite3_column_int64(st, 20);
    row->result.partial = (uint32_t)sqlite3_column_int64(st, 21);
    row->result.failed = (uint32_t)sqlite3_column_int64(st, 22);
    row->result.pages = (uint32_t)sqlite3_column_int64(st, 23);
    return 0;
}

int db_each(struct db *db, db_row_fn *cb, void *ctx, struct err *err)
{
    sqlite3_stmt *st = db->prepared[SQL_EACH];
    int out = 0;
    int rc = SQLITE_DONE;
    while (out == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct task_row row = {0};
        out = read_row(st, &row, err);
        if (out == 0)
            out = cb(ctx, &row, err);
    }
    if (out == 0 && rc != SQLITE_DONE)
        out = fail(db, rc, "select", err);
    (void)sqlite3_reset(st);
    return out;
}

int db_check(struct db *db, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA integrity_check", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    int out = text && strcmp(text, "ok") == 0
                  ? 0
                  : err_fail(err, ERR_IO, "store: %s", text ? text : "check failed");
    (void)sqlite3_finalize(st);
    return out;
}
