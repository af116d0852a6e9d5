/* See store.h: opening with recovery, and closing. */
#include "supervisor/store/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/store/failpoint.h"
#include "supervisor/store/jobs.h"

/* What the rows say should be there; sorted by id. */
struct inventory {
    struct inventory_item {
        char id[UUID_BYTES];
        struct life life;
        uint32_t source_count;
    } *items;
    size_t count, cap;
};

static int inventory_add(void *ctx, const struct task_row *row, struct err *err)
{
    (void)err;
    struct inventory *v = ctx;
    struct inventory_item *item = VEC_PUSH(v->items, v->count, v->cap);
    memcpy(item->id, row->id, UUID_BYTES);
    item->life = row->life;
    item->source_count = row->source_count;
    return 0;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct inventory_item *)a)->id, ((const struct inventory_item *)b)->id);
}

static const struct inventory_item *inventory_find(const struct inventory *v, const char *id)
{
    struct inventory_item key = {0};
    memcpy(key.id, id, UUID_BYTES);
    return v->count ? bsearch(&key, v->items, v->count, sizeof(key), compare_items) : NULL;
}

static bool keep_spool(void *ctx, const char *name)
{
    char id[UUID_BYTES];
    unsigned n;
    if (files_is_part(name))
        return false;
    if (!files_parse_numbered(name, id, &n))
        return true; /* not one of ours */
    const struct inventory_item *item = inventory_find(ctx, id);
    return item && !life_ended(item->life.state) && n < item->source_count;
}

static bool keep_result(void *ctx, const char *name)
{
    char id[UUID_BYTES];
    unsigned n;
    if (files_is_part(name))
        return false;
    if (!files_parse_numbered(name, id, &n))
        return true;
    const struct inventory_item *item = inventory_find(ctx, id);
    return item && item->life.state == LIFE_SUCCESS && (unsigned)item->life.attempt == n;
}

static bool keep_scratch(void *ctx, const char *name)
{
    (void)ctx;
    return !files_is_scratch(name);
}

/* The lock is ours, so no other platend lives, and its workers died with it (PR_SET_PDEATHSIG). */
static int recover(struct store *s, struct err *err)
{
    int rc = db_recover(s->db, &s->recovered, err);
    if (rc < 0)
        return rc;
    failpoint_pass(FAILPOINT_RECOVER_COMMITTED);
    struct inventory v = {0};
    rc = db_each(s->db, inventory_add, &v, err);
    if (rc == 0 && v.count)
        qsort(v.items, v.count, sizeof(*v.items), compare_items);
    const struct {
        int dir_fd;
        files_keep_fn *keep;
    } folders[] = {{s->files.spool_fd, keep_spool},
                   {s->files.results_fd, keep_result},
                   {s->files.scratch_fd, keep_scratch}};
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(folders); i++) {
        unsigned n = 0;
        rc = files_sweep(folders[i].dir_fd, folders[i].keep, &v, &n, err);
        s->swept += n;
    }
    free(v.items);
    return rc;
}

int store_open(struct uv_loop_s *loop, const struct store_config *config, struct store **ret, struct err *err)
{
    struct store *s = xnew(struct store);
    s->loop = loop;
    s->pending_end = &s->pending;
    s->config.max_num_pages = config->max_num_pages;
    s->config.page_batch_size = config->page_batch_size;
    uuid_new(s->boot);
    int rc = files_open(&s->files, config->data_dir, config->scratch_dir, err);
    if (rc < 0) {
        free(s);
        return rc;
    }
    CLEANUP(freep) char *path = xasprintf("%s/store.db", config->data_dir);
    rc = db_open(path, s->boot, &s->db, err);
    if (rc == 0)
        rc = files_sync_dir(s->files.data_fd, err); /* the new database's name */
    if (rc == 0)
        rc = recover(s, err);
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    while (s->busy || s->pending || s->presyncs)
        (void)uv_run(s->loop, UV_RUN_ONCE);
    db_close(s->db);
    files_done(&s->files);
    free(s);
}

static bool keep_foreign(void *ctx, const char *name)
{
    (void)ctx;
    char id[UUID_BYTES];
    unsigned n;
    return !files_is_part(name) && !files_is_scratch(name) && !files_parse_numbered(name, id, &n);
}

void store_erase(const char *data_dir, const char *scratch_dir)
{
    struct files f;
    unsigned n;
    if (files_open(&f, data_dir, scratch_dir, NULL) < 0) /* somebody else has it now */
        return;
    const int folders[] = {f.spool_fd, f.results_fd, f.scratch_fd};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        (void)files_sweep(folders[i], keep_foreign, NULL, &n, NULL);
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm", "store.db-journal"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)files_unlink(f.data_fd, names[i], NULL);
    (void)rmdir(f.scratch_dir); /* in this order: scratch is usually within the data folder */
    (void)unlinkat(f.data_fd, "spool", AT_REMOVEDIR);
    (void)unlinkat(f.data_fd, "results", AT_REMOVEDIR);
    (void)files_unlink(f.data_fd, "lock", NULL);
    (void)rmdir(f.data_dir);
    files_done(&f);
}

unsigned store_recovered(const struct store *s)
{
    return s->recovered;
}

unsigned store_swept(const struct store *s)
{
    return s->swept;
}

bool store_broken(const struct store *s)
{
    return s->broken;
}

uint64_t store_free_bytes(const struct store *s)
{
    return files_free_bytes(&s->files);
}

int store_load(struct store *s, db_row_fn *cb, void *ctx, struct err *err)
{
    return db_each(s->db, cb, ctx, err);
}
