/*
 * The settings of the service: one table (settings.c) gives for each its flag, its environment names, its
 * type, range, default and help; --help, the man page and the docs are generated from it. Order of
 * precedence: flag, environment, default. (A configuration file joins with a later issue.)
 */
#ifndef PLATEN_CONF_SETTINGS_H
#define PLATEN_CONF_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* All strings are owned by the struct; never NULL ("" = not set). */
struct settings {
    /* serving */
    char *host;           /* --host UVICORN_HOST PLATEN_HOST, 127.0.0.1 (docling-serve: 0.0.0.0) */
    int64_t port;         /* --port UVICORN_PORT, 5001; 0: any free port, printed */
    char *data_dir;       /* --data PLATEN_DATA: store, spool, results */
    char *scratch_path;   /* --scratch DOCLING_SERVE_SCRATCH_PATH; default data_dir/scratch */
    char *artifacts_path; /* --models DOCLING_SERVE_ARTIFACTS_PATH: folder with manifest.json; default beside
                             the programs */
    char *cache_dir;      /* --cache PLATEN_CACHE_DIR: compiled models; default XDG cache/platen */
    char *log_level;      /* --log-level DOCLING_SERVE_LOG_LEVEL: debug info warning error */
    char *log_format;     /* --log-format DOCLING_SERVE_LOG_FORMAT: text json */
    char *api_key;        /* DOCLING_SERVE_API_KEY (no flag: would show in ps) */
    bool show_version_info;
    /* limits */
    int64_t max_file_bytes;         /* --max-file-size DOCLING_SERVE_MAX_FILE_SIZE, 100 MiB */
    int64_t max_body_bytes;         /* --max-body-size, 256 MiB */
    int64_t max_num_pages;          /* --max-num-pages DOCLING_SERVE_MAX_NUM_PAGES, 2000 */
    int64_t max_sources;            /* --max-sources DOCLING_SERVE_MAX_SOURCES_PER_REQUEST, 20 */
    double max_images_scale;        /* DOCLING_SERVE_MAX_IMAGES_SCALE, 2.0 */
    int64_t queue_max_size;         /* --queue-max-size DOCLING_SERVE_QUEUE_MAX_SIZE, 1000 tasks */
    int64_t queue_max_bytes;        /* spooled bytes of waiting tasks, 10 GiB */
    int64_t free_space_floor_bytes; /* 1 GiB: below it new work gets 507 */
    /* time, seconds */
    double max_sync_wait_s;        /* DOCLING_SERVE_MAX_SYNC_WAIT, 120 */
    double max_document_timeout_s; /* DOCLING_SERVE_MAX_DOCUMENT_TIMEOUT, 1800 */
    double no_progress_timeout_s;  /* PLATEN_NO_PROGRESS_TIMEOUT, 120 */
    double kill_grace_s;           /* PLATEN_KILL_GRACE, 2 */
    double result_removal_delay_s; /* DOCLING_SERVE_RESULT_REMOVAL_DELAY, 300: after the first fetch */
    double result_ttl_s;           /* PLATEN_RESULT_TTL, 86400: never fetched */
    bool single_use_results;       /* DOCLING_SERVE_SINGLE_USE_RESULTS, true */
    /* work */
    int64_t num_workers;    /* --workers DOCLING_SERVE_ENG_LOC_NUM_WORKERS: documents at once, 2 */
    int64_t engine_threads; /* --engine-threads PLATEN_ENGINE_THREADS DOCLING_NUM_THREADS: inference lanes, 0
                               = one a core */
    double
        engine_idle_s; /* --engine-idle PLATEN_ENGINE_IDLE: an engine without clients leaves after this, 60 */
    char *engine_backend;    /* --backend PLATEN_BACKEND: openvino (fake in tests) */
    int64_t page_batch_size; /* DOCLING_PERF_PAGE_BATCH_SIZE, 10 */
    char *sandbox;           /* --sandbox PLATEN_SANDBOX: required best_effort off */
    bool free_vram_on_idle;  /* --isolated DOCLING_SERVE_FREE_VRAM_ON_IDLE (takes effect with issue 4) */
    /* set by no one but platen convert: the private supervisor */
    int64_t ready_fd;   /* --ready-fd: a line "port N\n" is written there when serving; -1 */
    int64_t private_fd; /* --private-fd: jobs come as frames on this socket, no HTTP (platen convert); -1 */
    bool exit_with_parent; /* --exit-with-parent */
};

/* Fills all defaults. */
void settings_init(struct settings *s);
void settings_done(struct settings *s);

/*
 * Environment, then flags. Returns 0; ERR_ARG with a message that names the flag, its value and what is
 * allowed. --help and --version set *ret_action to 'h' or 'V' (else 0) and leave the rest to the caller.
 * Unknown flags are errors that name the nearest known one.
 */
int settings_load(struct settings *s, int argc, char **argv, int *ret_action, struct err *err);

/* For --help, the man page and the docs: every row of the table in one format or the other. */
void settings_print_help(FILE *out);
void settings_print_man(FILE *out);
void settings_print_markdown(FILE *out);

#endif
