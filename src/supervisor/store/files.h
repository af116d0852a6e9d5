/*
 * The folders of the store and the names in them. All access is relative to open folder descriptors; nobody
 * but us puts files there, and what does not look like one of our names is never touched.
 *
 *   data_dir/store.db            rows (sql.h)
 *   data_dir/lock                flock: one platend per folder
 *   data_dir/spool/<uuid>.part   an upload on its way in
 *   data_dir/spool/<task>.<i>    source i of a task
 *   data_dir/results/<task>.<k>  output of attempt k
 *   scratch/task_<task>_{input,output}.json   given to the worker as open descriptors
 */
#ifndef PLATEN_SUPERVISOR_STORE_FILES_H
#define PLATEN_SUPERVISOR_STORE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define UUID_BYTES 37 /* NUL included */
#define FILES_NAME_BYTES 80

struct files {
    char *data_dir, *scratch_dir;
    int data_fd, spool_fd, results_fd, scratch_fd, lock_fd;
};

/* Makes the folders (0700), locks data_dir and the scratch folder: ERR_BUSY when another platend holds one of
 * them. */
int files_open(struct files *f, const char *data_dir, const char *scratch_dir, struct err *err);
void files_done(struct files *f);

void uuid_new(char out[UUID_BYTES]);
bool uuid_valid(const char *s); /* exactly 36 characters of lower-case uuid */

enum scratch_file { SCRATCH_INPUT, SCRATCH_OUTPUT };
void files_part_name(const char *uuid, char out[FILES_NAME_BYTES]);
void files_numbered_name(const char *task, unsigned n, char out[FILES_NAME_BYTES]); /* spool and results */
void files_scratch_name(const char *task, enum scratch_file which, char out[FILES_NAME_BYTES]);

/* "<uuid>.<n>": fills id and n. */
bool files_parse_numbered(const char *name, char id[UUID_BYTES], unsigned *ret_n);
bool files_is_part(const char *name);
bool files_is_scratch(const char *name);

/* A new file 0600 (an old one of that name is unlinked first), read and write. */
int files_create(int dir_fd, const char *name, int *ret_fd, struct err *err);
int files_open_read(int dir_fd, const char *name, int *ret_fd, struct err *err);
int files_sync_dir(int dir_fd, struct err *err);
/* A file that is not there is no error. */
int files_unlink(int dir_fd, const char *name, struct err *err);
/* Puts the synced output of a task into results (never over another file); copies when scratch is on another
 * file system. */
int files_publish(const struct files *f, const char *task, unsigned attempt, struct err *err);
/* Bytes that an ordinary user may still write on the file system of the spool. */
uint64_t files_free_bytes(const struct files *f);

/* Unlinks every name in the folder for which keep is false; *ret_count: how many. Only called with nothing
 * else at work. */
typedef bool files_keep_fn(void *ctx, const char *name);
int files_sweep(int dir_fd, files_keep_fn *keep, void *ctx, unsigned *ret_count, struct err *err);

#endif
