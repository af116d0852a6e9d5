/*
 * JSON text of clients and peers into jansson values. The nesting is checked before the parser (which
 * recurses) sees the text.
 */
#ifndef PLATEN_CONF_JSON_PARSE_H
#define PLATEN_CONF_JSON_PARSE_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

/* 0 and a new reference; ERR_FORMAT naming the place; ERR_LIMIT when nested deeper than LIMIT_JSON_DEPTH. Any
 * value is allowed at the top. */
int json_parse(const char *text, size_t len, json_t **ret, struct err *err);

#endif
