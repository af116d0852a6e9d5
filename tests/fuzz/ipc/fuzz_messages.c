/* Every decoder of the protocol on arbitrary payloads: the first two bytes choose the type, the rest is the
 * payload. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ipc_frame frame;

static void decode_all(void)
{
    struct ipc_page page;
    struct ipc_page_ref ref;
    struct ipc_orientation turn;
    struct ipc_read ask = {0};
    struct ipc_table_ask table;
    struct ipc_progress progress;
    struct ipc_done done;
    struct ipc_failure failure;
    struct ipc_engine_stats stats;
    (void)ipc_decode_page(&frame, &page, NULL);
    (void)ipc_decode_page_ref(&frame, &ref, NULL);
    (void)ipc_decode_orientation(&frame, &turn, NULL);
    if (ipc_decode_read(&frame, &ask, NULL) == 0)
        ipc_read_done(&ask);
    struct ipc_job job = {0};
    if (ipc_decode_job(&frame, &job, NULL) == 0)
        ipc_job_done(&job);
    (void)ipc_decode_table_ask(&frame, &table, NULL);
    (void)ipc_decode_progress(&frame, &progress, NULL);
    (void)ipc_decode_done(&frame, &done, NULL);
    (void)ipc_decode_failure(&frame, &failure, NULL);
    (void)ipc_decode_engine_stats(&frame, &stats, NULL);
    struct ipc_first first;
    struct ipc_zygote_fork fork_request;
    struct ipc_zygote_child born;
    struct ipc_zygote_gone gone;
    (void)ipc_decode_first(&frame, &first, NULL);
    (void)ipc_decode_zygote_gone(&frame, &gone, NULL);
    frame.fd = 0; /* only looked at */
    (void)ipc_decode_zygote_fork(&frame, &fork_request, NULL);
    (void)ipc_decode_zygote_child(&frame, &born, NULL);
    frame.fd = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > sizeof(frame.payload))
        return 0;
    frame.fd = -1;
    frame.len = (uint32_t)size;
    memcpy(frame.payload, data, size);
    decode_all();
    struct ipc_lines lines = {0};
    struct ipc_regions regions = {0};
    struct ipc_grid grid = {0};
    (void)ipc_collect_lines(&frame, &lines, NULL);
    (void)ipc_collect_regions(&frame, &regions, NULL);
    (void)ipc_collect_grid(&frame, &grid, NULL);
    ipc_lines_done(&lines);
    ipc_regions_done(&regions);
    ipc_grid_done(&grid);
    return 0;
}
