/*
 * The messages between the processes (PROTOCOL.md has the prose). Each has a struct, an encode and a decode
 * function; decode checks every count, length and range, so that users may trust what they are handed. Boxes
 * and quads are in page pixels, x to the right, y down, origin at the top left of the page image.
 */
#ifndef PLATEN_IPC_MESSAGES_H
#define PLATEN_IPC_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/frame.h"

enum ipc_type {
    /* supervisor <-> worker */
    IPC_WORKER_PROGRESS = 1, /* worker: struct ipc_progress */
    IPC_WORKER_DONE = 2,     /* worker: struct ipc_done; the output file is complete and synced */
    IPC_WORKER_FAIL = 3,     /* worker: struct ipc_failure; no output */
    IPC_WORKER_CANCEL = 4,   /* supervisor: no payload; finish early, or die */
    /* supervisor <-> engine */
    IPC_ENGINE_READY = 16,    /* engine, once: no payload */
    IPC_ENGINE_ATTACH = 17,   /* supervisor: id = client id, with the engine's end of a worker's socket */
    IPC_ENGINE_DETACHED = 18, /* engine: id = client id whose socket has closed */
    IPC_ENGINE_STATS = 19,    /* engine, after each change: struct ipc_engine_stats */
    IPC_ENGINE_FIRST = 20,    /* engine: id = client id whose first inference has begun: struct ipc_first */
    /* supervisor <-> zygote: an engine that only forks others (IPC_ENGINE_READY once, from it too) */
    IPC_ZYGOTE_FORK = 24,  /* supervisor: id = fork id, struct ipc_zygote_fork + the child's control socket */
    IPC_ZYGOTE_CHILD = 25, /* zygote: id = fork id, struct ipc_zygote_child + pidfd; or IPC_REFUSED */
    IPC_ZYGOTE_GONE = 26,  /* zygote: id = fork id, struct ipc_zygote_gone; the child has been reaped */
    /* worker -> engine requests; replies carry the same id and type IPC_REPLY, or IPC_REFUSED */
    IPC_PAGE = 32,   /* struct ipc_page + sealed memfd; reply has no payload */
    IPC_ORIENT = 33, /* struct ipc_page_ref; reply struct ipc_orientation */
    IPC_LAYOUT = 34, /* struct ipc_page_ref; reply struct ipc_region list (several frames with IPC_FLAG_MORE)
                      */
    IPC_READ = 35,   /* struct ipc_read; reply struct ipc_line list (several frames) */
    IPC_TABLE = 36,  /* struct ipc_table_ask; reply struct ipc_table_grid header + cell list (several frames)
                      */
    IPC_DROP = 37,   /* struct ipc_page_ref; no reply */
    /* command line <-> its private supervisor; id = job, chosen by the command line */
    IPC_JOB_SUBMIT = 64,   /* struct ipc_job + the file, open for reading */
    IPC_JOB_PROGRESS = 65, /* struct ipc_progress */
    IPC_JOB_DONE = 66,     /* struct ipc_done + the response body, open for reading */
    IPC_JOB_FAIL = 67,     /* struct ipc_failure */
    IPC_REPLY = 48,
    IPC_REFUSED = 49, /* struct ipc_failure */
};

#define IPC_MAX_PAGES 64        /* pages that one client may hold in an engine */
#define IPC_MAX_LINES 20000     /* lines of a page */
#define IPC_MAX_LINE_BYTES 4096 /* text of a line */
#define IPC_MAX_REGIONS 1000
#define IPC_MAX_CELLS 10000
#define IPC_MAX_LANG_BYTES 64

struct ipc_box {
    float left, top, right, bottom;
};

enum ipc_pixel_format { IPC_GREY8 = 1, IPC_BGR24 = 3 }; /* value = bytes per pixel */

struct ipc_page {
    uint32_t page_id; /* chosen by the worker */
    uint32_t width_px, height_px, stride_bytes;
    uint8_t format; /* enum ipc_pixel_format */
    float dpi;
};

struct ipc_page_ref {
    uint32_t page_id;
};

struct ipc_orientation {
    uint16_t degrees; /* 0, 90, 180, 270: turn the page clockwise by this to put it upright */
    float score;      /* 0..1 */
};

enum ipc_region_label {
    IPC_REGION_TEXT,
    IPC_REGION_TITLE,
    IPC_REGION_FIGURE,
    IPC_REGION_FIGURE_CAPTION,
    IPC_REGION_TABLE,
    IPC_REGION_TABLE_CAPTION,
    IPC_REGION_HEADER,
    IPC_REGION_FOOTER,
    IPC_REGION_REFERENCE,
    IPC_REGION_EQUATION,
    IPC_REGION_LABEL_COUNT
};

struct ipc_region {
    uint8_t label; /* enum ipc_region_label */
    float score;
    struct ipc_box box;
};

enum ipc_read_mode { IPC_READ_AUTO, IPC_READ_TINY, IPC_READ_SMALL, IPC_READ_MODE_COUNT };

struct ipc_read {
    uint32_t page_id;
    uint8_t mode;                  /* enum ipc_read_mode */
    bool textline_cls;             /* try each line for 180 degrees too */
    char lang[IPC_MAX_LANG_BYTES]; /* comma list of ISO 639 codes; empty: automatic */
    uint32_t region_count;         /* 0: the whole page */
    struct ipc_box *regions;       /* decode: malloced, free with ipc_read_done */
};

struct ipc_line {
    float quad[8]; /* x,y of top left, top right, bottom right, bottom left in reading direction */
    float score;   /* 0..1 */
    char *text;    /* UTF-8, malloced by decode */
};

struct ipc_table_ask {
    uint32_t page_id;
    struct ipc_box box;
};

struct ipc_cell {
    uint16_t row, col, row_span, col_span;
    bool header;
    struct ipc_box box; /* page pixels */
};

struct ipc_progress {
    uint32_t pages_done, pages_total; /* total 0: not known yet */
    char stage[32];
};

enum ipc_task_status {
    IPC_TASK_SUCCESS,
    IPC_TASK_PARTIAL,
    IPC_TASK_FAILURE,
    IPC_TASK_SKIPPED,
    IPC_TASK_STATUS_COUNT
};

struct ipc_done {
    uint8_t status; /* enum ipc_task_status: of the documents; the task itself succeeded */
    uint64_t output_bytes;
    uint32_t documents, succeeded, partial, failed, pages;
    char content_type[64];
    int32_t error_kind; /* enum err_kind of the first document that failed, else 0 */
};

#define IPC_MAX_FILENAME_BYTES 1024
#define IPC_MAX_OPTIONS_BYTES 32768

struct ipc_job {
    char *filename;     /* the base name; malloced by decode */
    char *options_json; /* convert_options_to_json; malloced by decode */
    double timeout_s;   /* 0: the maximum */
};

struct ipc_failure {
    int32_t kind; /* enum err_kind */
    char message[ERR_MESSAGE_BYTES];
};

struct ipc_engine_stats {
    uint32_t clients, pages, busy; /* busy: jobs queued or running */
    uint64_t inferences, cpu_us, rss_bytes;
};

struct ipc_first {
    uint64_t mono_us; /* CLOCK_MONOTONIC, which all processes of a machine share */
};

#define IPC_MAX_PID (1u << 22) /* the kernel's own ceiling */
#define IPC_MAX_LANES 256

struct ipc_zygote_fork {
    uint32_t group; /* process group that the child joins; 0: one of its own */
    uint16_t lanes; /* 1 … IPC_MAX_LANES; the zygote's own number is a ceiling */
};

struct ipc_zygote_child {
    uint32_t pid;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat: tells two processes with the same number apart */
};

struct ipc_zygote_gone {
    uint32_t pid;
    bool signalled;
    uint8_t code;        /* exit status, or signal number */
    uint64_t peak_bytes; /* largest RSS it ever had */
};

/* Encoders: bytes written into out (at least IPC_PAYLOAD_MAX_BYTES), or 0 when it does not fit. */
size_t ipc_encode_page(const struct ipc_page *m, uint8_t *out);
size_t ipc_encode_page_ref(const struct ipc_page_ref *m, uint8_t *out);
size_t ipc_encode_orientation(const struct ipc_orientation *m, uint8_t *out);
size_t ipc_encode_read(const struct ipc_read *m, uint8_t *out);
size_t ipc_encode_table_ask(const struct ipc_table_ask *m, uint8_t *out);
size_t ipc_encode_progress(const struct ipc_progress *m, uint8_t *out);
size_t ipc_encode_done(const struct ipc_done *m, uint8_t *out);
size_t ipc_encode_job(const struct ipc_job *m, uint8_t *out);
size_t ipc_encode_failure(const struct ipc_failure *m, uint8_t *out);
size_t ipc_encode_engine_stats(const struct ipc_engine_stats *m, uint8_t *out);
size_t ipc_encode_first(const struct ipc_first *m, uint8_t *out);
size_t ipc_encode_zygote_fork(const struct ipc_zygote_fork *m, uint8_t *out);
size_t ipc_encode_zygote_child(const struct ipc_zygote_child *m, uint8_t *out);
size_t ipc_encode_zygote_gone(const struct ipc_zygote_gone *m, uint8_t *out);

/* Decoders: 0 or ERR_FORMAT. */
int ipc_decode_page(const struct ipc_frame *f, struct ipc_page *ret, struct err *err);
int ipc_decode_page_ref(const struct ipc_frame *f, struct ipc_page_ref *ret, struct err *err);
int ipc_decode_orientation(const struct ipc_frame *f, struct ipc_orientation *ret, struct err *err);
int ipc_decode_read(const struct ipc_frame *f, struct ipc_read *ret, struct err *err);
int ipc_decode_table_ask(const struct ipc_frame *f, struct ipc_table_ask *ret, struct err *err);
int ipc_decode_progress(const struct ipc_frame *f, struct ipc_progress *ret, struct err *err);
int ipc_decode_done(const struct ipc_frame *f, struct ipc_done *ret, struct err *err);
int ipc_decode_job(const struct ipc_frame *f, struct ipc_job *ret, struct err *err);
int ipc_decode_failure(const struct ipc_frame *f, struct ipc_failure *ret, struct err *err);
int ipc_decode_engine_stats(const struct ipc_frame *f, struct ipc_engine_stats *ret, struct err *err);
int ipc_decode_first(const struct ipc_frame *f, struct ipc_first *ret, struct err *err);
int ipc_decode_zygote_fork(const struct ipc_frame *f, struct ipc_zygote_fork *ret, struct err *err);
int ipc_decode_zygote_child(const struct ipc_frame *f, struct ipc_zygote_child *ret, struct err *err);
int ipc_decode_zygote_gone(const struct ipc_frame *f, struct ipc_zygote_gone *ret, struct err *err);
void ipc_read_done(struct ipc_read *m);
void ipc_job_done(struct ipc_job *m);

/*
 * Lists travel in as many frames as they need, all but the last with IPC_FLAG_MORE. Senders call ipc_send_*;
 * receivers feed each frame to ipc_collect_*, which appends to the growing list (0 or ERR_FORMAT/ERR_LIMIT)
 * until a frame without the flag has come.
 */
struct ipc_lines {
    struct ipc_line *items;
    size_t count, cap;
};
struct ipc_regions {
    struct ipc_region *items;
    size_t count, cap;
};
struct ipc_grid {
    uint16_t rows, cols;
    float score;
    struct ipc_cell *items;
    size_t count, cap;
};

int ipc_send_lines(int sock, uint32_t id, const struct ipc_lines *lines, struct err *err);
int ipc_send_regions(int sock, uint32_t id, const struct ipc_regions *regions, struct err *err);
int ipc_send_grid(int sock, uint32_t id, const struct ipc_grid *grid, struct err *err);
int ipc_collect_lines(const struct ipc_frame *f, struct ipc_lines *lines, struct err *err);
int ipc_collect_regions(const struct ipc_frame *f, struct ipc_regions *regions, struct err *err);
int ipc_collect_grid(const struct ipc_frame *f, struct ipc_grid *grid, struct err *err);
void ipc_lines_done(struct ipc_lines *lines);
void ipc_regions_done(struct ipc_regions *regions);
void ipc_grid_done(struct ipc_grid *grid);

/* Sends IPC_REFUSED with the contents of e. */
int ipc_send_refusal(int sock, uint32_t id, const struct err *e, struct err *err);

#endif
