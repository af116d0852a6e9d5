/*
 * See jobs.h. One uv_work at a time takes all that is pending, in order: so one thread at a time uses the
 * connection, and submits that arrived while the last batch was syncing share the next commit (group commit
 * without a timer: an idle store never waits).
 */
#include "supervisor/store/jobs.h"

#include <stdlib.h>

static void start(struct store *s);

static void runner_work(uv_work_t *w)
{
    struct store *s = w->data;
    struct job *j = s->batch;
    while (j) {
        if (!j->is_submit) {
            j->work(j);
            j = j->next;
            continue;
        }
        struct job *end = j;
        while (end && end->is_submit)
            end = end->next;
        submit_commit_group(s, j, end);
        j = end;
    }
}

static void runner_after(uv_work_t *w, int status)
{
    struct store *s = w->data;
    if (status != 0)
        abort(); /* never cancelled by us */
    struct job *j = s->batch;
    s->batch = NULL;
    s->busy = false;
    s->broken = s->broken || s->db_failed;
    while (j) {
        struct job *next = j->next;
        j->after(j);
        j = next;
    }
    start(s);
}

static void start(struct store *s)
{
    if (s->busy || !s->pending)
        return;
    s->batch = s->pending;
    s->pending = NULL;
    s->pending_end = &s->pending;
    s->busy = true;
    s->runner.data = s;
    if (uv_queue_work(s->loop, &s->runner, runner_work, runner_after) != 0)
        abort(); /* only for a NULL callback */
}

void job_queue(struct job *j)
{
    struct store *s = j->store;
    j->next = NULL;
    *s->pending_end = j;
    s->pending_end = &j->next;
    start(s);
}

int store_db_rc(struct store *s, int rc)
{
    if (rc == ERR_IO || rc == ERR_BUG)
        s->db_failed = true;
    return rc;
}
