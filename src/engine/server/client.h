/*
 * One worker's connection: its pages, its waiting jobs, and its answers on their way out. The poll thread
 * makes and closes clients; lanes hold references through their jobs. Answers leave through a sender thread
 * of the client's own, so that a worker which reads slowly holds up nobody else; one that takes nothing for
 * CLIENT_STALL_S is cut off.
 */
#ifndef PLATEN_ENGINE_SERVER_CLIENT_H
#define PLATEN_ENGINE_SERVER_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/server/page.h"
#include "ipc/messages.h"

#define CLIENT_STALL_S 10
#define CLIENT_MAX_REQUESTS 1024 /* asked and not yet answered */

struct job;

enum answer_kind {
    ANSWER_EMPTY,
    ANSWER_ORIENTATION,
    ANSWER_REGIONS,
    ANSWER_LINES,
    ANSWER_GRID,
    ANSWER_REFUSED
};

struct answer {
    struct answer *next;
    uint32_t id; /* of the request */
    enum answer_kind kind;
    union {
        struct ipc_orientation orientation;
        struct ipc_regions regions;
        struct ipc_lines lines;
        struct ipc_grid grid;
        struct err refusal;
    };
};

struct client {
    atomic_int refs;
    uint32_t id;
    int fd;
    atomic_int_least64_t first_us; /* when the first inference for it began; 0: none yet */
    atomic_bool gone;              /* closed: what is still computed for it is thrown away */

    /* the poll thread's */
    struct page *pages[IPC_MAX_PAGES];
    uint32_t page_ids[IPC_MAX_PAGES];
    struct client *next;
    bool first_told; /* to the supervisor */

    /* the queue's, under its lock */
    struct job *first, *last;
    struct client *ring_next;
    bool in_ring;

    /* the sender's */
    pthread_t sender;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct answer *out_first, *out_last;
    atomic_int unanswered;
};

/* Takes the descriptor. */
int client_new(uint32_t id, int fd, struct client **ret, struct err *err);
struct client *client_ref(struct client *c);
void client_unref(struct client *c);
/* Ends the connection and the sender, lets go of the pages, and drops the poll thread's reference. Jobs must
 * be out of the queue. */
void client_close(struct client *c);

/* Takes the contents of the answer (the struct itself is copied). A client that is gone swallows it. */
void client_answer(struct client *c, struct answer *a);
void client_refuse(struct client *c, uint32_t id, const struct err *e);

/* ERR_LIMIT when it holds too many, ERR_ARG for an id in use. Takes the page on success. */
int client_add_page(struct client *c, struct page *p, struct err *err);
struct page *client_peek_page(struct client *c, uint32_t page_id); /* NULL: none */
void client_drop_page(struct client *c, uint32_t page_id);

#endif
