/*
 * See client.h. Invariants: fd stays open until the last reference goes, so its number cannot come to mean
 * another client; after `gone` is set nothing is queued for sending.
 */
#include "engine/server/client.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"

#define SENDER_STACK_BYTES (256 * 1024)

static void answer_free(struct answer *a)
{
    switch (a->kind) {
    case ANSWER_REGIONS: ipc_regions_done(&a->regions); break;
    case ANSWER_LINES: ipc_lines_done(&a->lines); break;
    case ANSWER_GRID: ipc_grid_done(&a->grid); break;
    case ANSWER_EMPTY:
    case ANSWER_ORIENTATION:
    case ANSWER_REFUSED: break;
    }
    free(a);
}

static int send_answer(int fd, const struct answer *a, uint8_t *payload, struct err *err)
{
    switch (a->kind) {
    case ANSWER_EMPTY: return ipc_send(fd, IPC_REPLY, 0, a->id, NULL, 0, -1, err);
    case ANSWER_ORIENTATION:
        return ipc_send(fd, IPC_REPLY, 0, a->id, payload, ipc_encode_orientation(&a->orientation, payload),
                        -1, err);
    case ANSWER_REGIONS: return ipc_send_regions(fd, a->id, &a->regions, err);
    case ANSWER_LINES: return ipc_send_lines(fd, a->id, &a->lines, err);
    case ANSWER_GRID: return ipc_send_grid(fd, a->id, &a->grid, err);
    case ANSWER_REFUSED: return ipc_send_refusal(fd, a->id, &a->refusal, err);
    }
    return err_fail(err, ERR_BUG, "an answer of unknown kind");
}

static struct answer *next_answer(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->out_first == NULL && !atomic_load(&c->gone))
        pthread_cond_wait(&c->wake, &c->lock);
    struct answer *a = atomic_load(&c->gone) ? NULL : c->out_first;
    if (a != NULL) {
        c->out_first = a->next;
        if (c->out_first == NULL)
            c->out_last = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    return a;
}

static void *send_loop(void *arg)
{
    struct client *c = arg;
    uint8_t *payload = xmalloc(IPC_PAYLOAD_MAX_BYTES);
    for (struct answer *a; (a = next_answer(c)) != NULL;) {
        int r = send_answer(c->fd, a, payload, NULL);
        answer_free(a);
        atomic_fetch_sub(&c->unanswered, 1);
        if (r < 0) {
            /* Gone, or deaf for too long: the poll thread sees the end of the connection and closes the
             * client. */
            shutdown(c->fd, SHUT_RDWR);
            break;
        }
    }
    free(payload);
    return NULL;
}

int client_new(uint32_t id, int fd, struct client **ret, struct err *err)
{
    struct client *c = xnew(struct client);
    atomic_init(&c->refs, 1);
    c->id = id;
    c->fd = fd;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    struct timeval stall = {.tv_sec = CLIENT_STALL_S};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SENDER_STACK_BYTES);
    int r = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall)) < 0)
        r = err_errno(err, "client %u: the send timeout", id);
    else if (pthread_create(&c->sender, &attributes, send_loop, c) != 0)
        r = err_fail(err, ERR_LIMIT, "client %u: no thread can be made", id);
    pthread_attr_destroy(&attributes);
    if (r < 0) {
        client_unref(c);
        return r;
    }
    *ret = c;
    return 0;
}

struct client *client_ref(struct client *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void client_unref(struct client *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    for (struct answer *a = c->out_first; a != NULL;) {
        struct answer *next = a->next;
        answer_free(a);
        a = next;
    }
    close(c->fd);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void client_close(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->gone, true);
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    shutdown(c->fd, SHUT_RDWR); /* ends a send that is waiting for room */
    pthread_join(c->sender, NULL);
    for (size_t i = 0; i < IPC_MAX_PAGES; i++)
        page_unref(c->pages[i]);
    client_unref(c);
}

void client_answer(struct client *c, struct answer *a)
{
    struct answer *copy = xnew(struct answer);
    *copy = *a;
    copy->next = NULL;
    pthread_mutex_lock(&c->lock);
    bool gone = atomic_load(&c->gone);
    if (!gone) {
        if (c->out_last != NULL)
            c->out_last->next = copy;
        else
            c->out_first = copy;
        c->out_last = copy;
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
    if (gone)
        answer_free(copy);
}

void client_refuse(struct client *c, uint32_t id, const struct err *e)
{
    struct answer a = {.id = id, .kind = ANSWER_REFUSED, .refusal = *e};
    client_answer(c, &a);
}

static int slot_of(const struct client *c, uint32_t page_id)
{
    for (int i = 0; i < IPC_MAX_PAGES; i++)
        if (c->pages[i] != NULL && c->page_ids[i] == page_id)
            return i;
    return -1;
}

int client_add_page(struct client *c, struct page *p, struct err *err)
{
    if (slot_of(c, p->info.page_id) >= 0)
        return err_fail(err, ERR_ARG, "page %u is open already", p->info.page_id);
    for (int i = 0; i < IPC_MAX_PAGES; i++) {
        if (c->pages[i] != NULL)
            continue;
        c->pages[i] = p;
        c->page_ids[i] = p->info.page_id;
        return 0;
    }
    return err_fail(err, ERR_LIMIT, "more than %d open pages", IPC_MAX_PAGES);
}

struct page *client_peek_page(struct client *c, uint32_t page_id)
{
    int i = slot_of(c, page_id);
    return i < 0 ? NULL : c->pages[i];
}

void client_drop_page(struct client *c, uint32_t page_id)
{
    int i = slot_of(c, page_id);
    if (i < 0)
        return;
    page_unref(c->pages[i]);
    c->pages[i] = NULL;
}
