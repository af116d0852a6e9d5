/* The one table of fixed ceilings. What an operator may want to change is a setting (settings.h) instead. */
#ifndef PLATEN_CONF_LIMITS_H
#define PLATEN_CONF_LIMITS_H

#define LIMIT_JSON_DEPTH 64
#define LIMIT_JSON_BODY_BYTES (64u * 1024 * 1024)
#define LIMIT_OPTION_BYTES (1024 * 1024) /* one form field */
#define LIMIT_FORM_PARTS 64
#define LIMIT_FILENAME_BYTES 255
#define LIMIT_HEADER_BYTES (16 * 1024)
#define LIMIT_CONNECTIONS 4096
#define LIMIT_CONNECTIONS_PER_PEER 512
#define LIMIT_WORKER_DATA_BYTES (2ull * 1024 * 1024 * 1024)
#define LIMIT_WORKER_OPEN_FILES 256 /* its sources, pages on the way to the engine, fonts */
#define LIMIT_OUTPUT_BYTES (1ull * 1024 * 1024 * 1024)
#define LIMIT_PAGE_SIDE_PT 14400.0f
#define LIMIT_PAGE_PIXELS (50u * 1000 * 1000)
#define LIMIT_IMAGE_SIDE_PX 65500
#define LIMIT_IMAGE_PIXELS (100u * 1000 * 1000)
#define LIMIT_IMAGE_FRAMES 500
#define LIMIT_PDF_PAGES 2000 /* default of max_num_pages as far as memory goes; the setting may be lower */
#define LIMIT_PAGE_CHARS 2000000
#define LIMIT_PAGE_RULES 20000         /* line segments */
#define LIMIT_PAGE_OBJECTS 100000      /* page objects looked at, those in forms included */
#define LIMIT_PAGE_PATH_POINTS 2000000 /* points of paths looked at for rules */
#define LIMIT_PAGE_PICTURES 10000
#define LIMIT_PAGE_LINKS 10000
#define LIMIT_PAGE_FONTS 4096
#define LIMIT_PDF_FORM_DEPTH 32 /* form XObjects within each other */
#define LIMIT_OUTLINE_ENTRIES 10000
#define LIMIT_OUTLINE_DEPTH 64
#define LIMIT_URI_BYTES 8192
#define LIMIT_RASTER_FILE_BYTES (4ull * 1024 * 1024 * 1024)
#define LIMIT_JPEG_SCANS 500 /* of a progressive JPEG: each costs a pass over the picture */
#define LIMIT_LOG_LINES_PER_WORKER_PER_S 100

#endif
