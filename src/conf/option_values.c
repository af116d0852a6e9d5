/* The scalar types of the option table: they accept and refuse what pydantic's lax mode does, with its error
 * types and messages. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "conf/option_table.h"

int option_fail(struct option_problem *ret, const char *type, const char *loc, const char *fmt, ...)
{
    (void)snprintf(ret->type, sizeof(ret->type), "%s", type);
    (void)snprintf(ret->loc, sizeof(ret->loc), "%s", loc);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(ret->msg, sizeof(ret->msg), fmt, ap);
    va_end(ap);
    return ERR_ARG;
}

int option_read_bool(const json_t *value, const char *loc, bool *out, struct option_problem *ret)
{
    static const char *const yes[] = {"true", "1", "yes", "on", "t", "y"};
    static const char *const no[] = {"false", "0", "no", "off", "f", "n"};
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return 0;
    }
    if (json_is_number(value)) {
        double d = json_number_value(value);
        if (d == 0.0 || d == 1.0) {
            *out = d == 1.0;
            return 0;
        }
    } else if (json_is_string(value)) {
        const char *text = json_string_value(value);
        for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
            if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
                *out = strcasecmp(text, yes[i]) == 0;
                return 0;
            }
        }
    } else {
        return option_fail(ret, "bool_type", loc, "Input should be a valid boolean");
    }
    return option_fail(ret, "bool_parsing", loc,
                       "Input should be a valid boolean, unable to interpret input");
}

static int read_int_text(const char *text, const char *loc, int64_t *out, struct option_problem *ret)
{
    const char *p = text + strspn(text, " \t\r\n");
    char *end;
    errno = 0;
    long long v = strtoll(p, &end, 10);
    end += strspn(end, " \t\r\n");
    if (*p == '\0' || *end || errno == ERANGE)
        return option_fail(ret, "int_parsing", loc,
                           "Input should be a valid integer, unable to parse string as an integer");
    *out = v;
    return 0;
}

int option_read_int(const json_t *value, const char *loc, int64_t *out, struct option_problem *ret)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return 0;
    }
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return 0;
    }
    if (json_is_string(value))
        return read_int_text(json_string_value(value), loc, out, ret);
    if (json_is_real(value)) {
        double d = json_real_value(value);
        if (d != floor(d))
            return option_fail(ret, "int_from_float", loc,
                               "Input should be a valid integer, got a number with a fractional part");
        if (fabs(d) < 9.0e18) {
            *out = (int64_t)d;
            return 0;
        }
    }
    return option_fail(ret, "int_type", loc, "Input should be a valid integer");
}

int option_read_number(const json_t *value, const char *loc, double *out, struct option_problem *ret)
{
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return 0;
    }
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return 0;
    }
    if (!json_is_string(value))
        return option_fail(ret, "float_type", loc, "Input should be a valid number");
    const char *text = json_string_value(value);
    char *end;
    double d = strtod(text, &end);
    end += strspn(end, " \t\r\n");
    if (end == text || *end)
        return option_fail(ret, "float_parsing", loc,
                           "Input should be a valid number, unable to parse string as a number");
    if (!isfinite(d))
        return option_fail(ret, "finite_number", loc, "Input should be a finite number");
    *out = d;
    return 0;
}

int option_read_string(const json_t *value, const char *loc, const char **out, struct option_problem *ret)
{
    if (!json_is_string(value))
        return option_fail(ret, "string_type", loc, "Input should be a valid string");
    *out = json_string_value(value);
    return 0;
}

int option_read_enum(const json_t *value, const char *loc, const char *const *values, int *out,
                     struct option_problem *ret)
{
    const char *text = json_string_value(value); /* NULL when it is not a string */
    for (int i = 0; text && values[i]; i++) {
        if (strcmp(values[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    struct buf list = BUF_INIT(sizeof(ret->msg));
    for (int i = 0; values[i]; i++)
        buf_printf(&list, "%s'%s'", i == 0 ? "" : values[i + 1] ? ", " : " or ", values[i]);
    int rc = option_fail(ret, "enum", loc, "Input should be %s", buf_str(&list));
    buf_done(&list);
    return rc;
}
