/* See json_parse.h. The depth count looks only at brackets outside strings, in one pass, without recursion.
 */
#include "conf/json_parse.h"

#include <stdbool.h>

#include "conf/limits.h"

static bool depth_ok(const char *text, size_t len)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > LIMIT_JSON_DEPTH)
                return false;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

int json_parse(const char *text, size_t len, json_t **ret, struct err *err)
{
    if (!depth_ok(text, len))
        return err_fail(err, ERR_LIMIT, "JSON is nested deeper than %d levels", LIMIT_JSON_DEPTH);
    json_error_t problem;
    json_t *value = json_loadb(text, len, JSON_DECODE_ANY, &problem);
    if (!value)
        return err_fail(err, ERR_FORMAT, "line %d column %d: %s", problem.line, problem.column, problem.text);
    *ret = value;
    return 0;
}
