/*
 * The docling-serve v1 API: routes, request and answer shapes. It sees tasks only through sched/service.h,
 * and never a pid or a path.
 */
#ifndef PLATEN_SUPERVISOR_API_API_H
#define PLATEN_SUPERVISOR_API_API_H

#include <uv.h>

#include "conf/settings.h"
#include "supervisor/http/http.h"
#include "supervisor/sched/service.h"

struct api;

/* Everything is borrowed and must outlive the api. */
struct api *api_new(uv_loop_t *loop, struct service *service, const struct settings *settings);
/* What http_server_new is given. */
struct http_handler api_handler(struct api *api);
/*
 * After http_server_free and before the service goes: submits under way may still call back, so the service
 * must be drained or freed (without calling back) first. NULL is accepted.
 */
void api_free(struct api *api);

#endif
