/*
 * The database: all SQL of platen. One connection, used by one thread at a time (the store's job runner, or
 * the start). Each function is one statement; transactions are the caller's (db_begin, db_commit), outside of
 * one a statement is its own. Errors: ERR_LIMIT the disk is full, ERR_IO the database cannot be trusted any
 * more, ERR_BUSY fenced out, ERR_NOTFOUND.
 */
#ifndef PLATEN_SUPERVISOR_STORE_SQL_H
#define PLATEN_SUPERVISOR_STORE_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/store/files.h"
#include "supervisor/store/state.h"

struct db;

struct row_result {
    uint64_t bytes;
    char content_type[64];
    uint32_t documents, succeeded, partial, failed, pages;
};

struct task_row { /* strings are borrowed */
    char id[UUID_BYTES];
    const char *tenant;
    struct life life;
    int priority;
    bool ephemeral;
    int64_t created_ms, started_ms, done_ms, fetched_ms; /* wall clock; 0: not yet */
    double timeout_s;
    uint32_t source_count;
    uint64_t bytes; /* of the sources */
    struct row_result result;
    int error_kind;
    const char *error_message; /* "" = none */
};

/* What a step writes besides the life; 0 or NULL: leave as it is. */
struct row_news {
    int64_t started_ms, done_ms, fetched_ms;
    const struct row_result *result;
    int error_kind;
    const char *error_message;
};

/* Opens or makes the database. boot: the owner's name of this run, unique for each start of platend. */
int db_open(const char *path, const char *boot, struct db **ret, struct err *err);
void db_close(struct db *db);

int db_begin(struct db *db, struct err *err);
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);

/* options and sources: JSON texts, kept as they are. */
int db_insert(struct db *db, const struct task_row *row, const char *options, const char *sources,
              struct err *err);
/* ERR_BUSY when the row runs under another owner. */
int db_life(struct db *db, const char *id, struct life *ret, struct err *err);
/* Compare and swap: ERR_BUSY when the row is not (any more) as `from` says, with us as the owner if it runs.
 */
int db_step(struct db *db, const char *id, const struct life *from, const struct life *to,
            const struct row_news *news, struct err *err);
/* Malloced. */
int db_work(struct db *db, const char *id, char **ret_options, char **ret_sources, struct err *err);
int db_delete(struct db *db, const char *id, const struct life *from, struct err *err);
/* Rows that run under another owner are queued again. */
int db_recover(struct db *db, unsigned *ret_count, struct err *err);

/* Every row, oldest first. A negative result of cb ends it. */
typedef int db_row_fn(void *ctx, const struct task_row *row, struct err *err);
int db_each(struct db *db, db_row_fn *cb, void *ctx, struct err *err);
/* PRAGMA integrity_check, for tests. */
int db_check(struct db *db, struct err *err);

#endif
