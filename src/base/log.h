/*
 * Log lines on stderr: "INFO: text key=value" or one JSON object a line. Only main files, the API layer and
 * the supervising modules log; libraries return errors. Control characters and invalid UTF-8 in values are
 * escaped.
 */
#ifndef PLATEN_BASE_LOG_H
#define PLATEN_BASE_LOG_H

#include <stdbool.h>

#include "base/macros.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

void log_setup(const char *program, enum log_level level, bool json);
/* False when the name is not one of debug, info, warning, error (any case). */
bool log_level_of_name(const char *name, enum log_level *ret);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
