/* Waiting for a task: one watch and one timer, always begun and ended together. */
#include "base/macros.h"
#include "base/mem.h"
#include "supervisor/api/call.h"

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void wait_begin(struct call *c, double timeout_s, service_watch_cb *on_change, uv_timer_cb on_timeout)
{
    c->watch = service_watch(c->api->service, c->task_id, on_change, c);
    c->timer = xnew(uv_timer_t);
    (void)uv_timer_init(c->api->loop, c->timer);
    c->timer->data = c;
    (void)uv_timer_start(c->timer, on_timeout, (uint64_t)(timeout_s * 1000.0), 0);
}

void wait_end(struct call *c)
{
    if (c->watch)
        service_unwatch(c->api->service, c->watch);
    c->watch = 0;
    uv_timer_t *timer = take_ptr(&c->timer);
    if (timer)
        uv_close((uv_handle_t *)timer, on_timer_closed);
}
