/* Inside of the store: the job runner, and what its jobs share. Not for other folders. */
#ifndef PLATEN_SUPERVISOR_STORE_JOBS_H
#define PLATEN_SUPERVISOR_STORE_JOBS_H

#include <stdbool.h>
#include <uv.h>

#include "supervisor/store/files.h"
#include "supervisor/store/sql.h"
#include "supervisor/store/store.h"

struct job {
    struct job *next;
    struct store *store;
    void (*work)(struct job *j);  /* on the pool thread: may use store->db and store->files */
    void (*after)(struct job *j); /* on the loop: calls back and frees */
    bool is_submit;               /* neighbours share one transaction */
    int rc;
    struct err err;
};

struct store {
    uv_loop_t *loop;
    uv_work_t runner;
    struct job *pending, **pending_end; /* loop thread */
    struct job *batch;                  /* runner while busy */
    bool busy;
    unsigned presyncs; /* submits whose files are being synced, before they queue up */
    bool broken;       /* written by the loop thread only */
    bool db_failed;    /* written by the runner */
    struct db *db;
    struct files files;
    struct store_config config; /* strings not kept */
    char boot[UUID_BYTES];
    unsigned recovered, swept;
};

struct spool_file {
    struct store *store;
    int fd;
    uint64_t bytes;
    char name[FILES_NAME_BYTES];
};

void job_queue(struct job *j);
/* Commits a chain of submits; submit.c. */
void submit_commit_group(struct store *s, struct job *first, const struct job *end);
/* Marks the store as broken when the database said something that forbids going on; returns rc. */
int store_db_rc(struct store *s, int rc);

#endif
