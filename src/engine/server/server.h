/*
 * The engine as its supervisor and the workers see it (ipc/PROTOCOL.md): one control socket, one socket a
 * worker. One thread polls them all, decodes requests and keeps the pages; lanes do the work; a sender a
 * client takes the answers away.
 */
#ifndef PLATEN_ENGINE_SERVER_SERVER_H
#define PLATEN_ENGINE_SERVER_SERVER_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/backend/backend.h"
#include "engine/models/models.h"

#define SERVER_MAX_CLIENTS 256
#define SERVER_MAX_LANES 256

struct server_options {
    int control_fd; /* stays the caller's */
    int lanes;
    bool warm;
    struct backend *backend;
    struct models *models;
};

struct server;

int server_new(const struct server_options *o, struct server **ret, struct err *err);
/* Says READY and serves. Returns 0 when the control socket has ended, or an error of the control socket. */
int server_run(struct server *s, struct err *err);
/* Waits for the inferences that run; a program that only wants to end needs no such thing. */
void server_free(struct server *s);

#endif
