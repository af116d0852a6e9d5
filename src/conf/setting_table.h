/* Private to conf: the rows of the settings table. */
#ifndef PLATEN_CONF_SETTING_TABLE_H
#define PLATEN_CONF_SETTING_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum setting_type { ROW_STRING, ROW_CHOICE, ROW_BOOL, ROW_INT, ROW_BYTES, ROW_SECONDS, ROW_NUMBER };

struct setting_row {
    const char *flag;   /* without dashes, or NULL */
    const char *env[4]; /* first found wins */
    size_t offset;
    enum setting_type type;
    double min, max;
    bool clamp;            /* over max: max is used (docling's sys.maxsize) */
    const char *choices;   /* ROW_CHOICE: "a|b|c" */
    const char *def;       /* as text */
    const char *def_shown; /* when the default is computed */
    const char *group;     /* heading; set on the first row of a group */
    const char *help;
};

extern const struct setting_row setting_rows[];
extern const size_t setting_row_count;

#endif
