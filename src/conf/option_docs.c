/* What people read of the option table: flags of `platen convert`, its man page, and the table of the docs.
 */
#include "conf/option_table.h"
#include "conf/text.h"

static void print_values(FILE *out, const struct option_row *row, const char *separator)
{
    for (int i = 0; row->values && row->values[i]; i++)
        (void)fprintf(out, "%s%s", i ? separator : "", row->values[i]);
}

static const char *placeholder(const struct option_row *row)
{
    switch (row->type) {
    case OPTION_BOOL: return "[true|false]";
    case OPTION_ENUM: return "NAME";
    case OPTION_INPUT_FORMATS:
    case OPTION_OUTPUT_FORMATS:
    case OPTION_STRINGS_OR_NULL: return "A,B,...";
    case OPTION_NUMBER: return "NUMBER";
    case OPTION_SECONDS_OR_NULL: return "SECONDS";
    case OPTION_PAGE_RANGE: return "FIRST-LAST";
    case OPTION_OBJECT_OR_NULL:
    case OPTION_OBJECT_OR_STRING_OR_NULL:
    case OPTION_HEADINGS: return "JSON";
    case OPTION_STRING:
    case OPTION_STRING_OR_NULL: break;
    }
    return "TEXT";
}

static const char *shown_default(const struct option_row *row)
{
    return row->type == OPTION_PAGE_RANGE ? "all pages" : *row->def ? row->def : "empty";
}

/* Only what has an effect: the rest is accepted for the sake of old clients, and would be noise here. */
void convert_options_print_help(FILE *out)
{
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (!row->effective)
            continue;
        char flag[64], left[96];
        option_flag_name(row, flag, sizeof(flag));
        (void)snprintf(left, sizeof(left), "--%s %s", flag, placeholder(row));
        (void)fprintf(out, "  %-38s %s (default: %s)\n", left, row->help, shown_default(row));
        if (row->type == OPTION_ENUM) {
            (void)fprintf(out, "  %-38s one of: ", "");
            print_values(out, row, ", ");
            (void)fprintf(out, "\n");
        }
    }
}

void convert_options_print_man(FILE *out)
{
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (!row->effective)
            continue;
        char flag[64];
        option_flag_name(row, flag, sizeof(flag));
        (void)fprintf(out, ".TP\n.B \\-\\-");
        text_print_man(out, flag);
        (void)fprintf(out, " %s\n", placeholder(row));
        text_print_man(out, row->help);
        if (row->values) {
            (void)fprintf(out, " (");
            print_values(out, row, ", ");
            (void)fprintf(out, ")");
        }
        (void)fprintf(out, ". Default: ");
        text_print_man(out, shown_default(row));
        (void)fprintf(out, ".\n");
    }
}

void convert_options_print_markdown(FILE *out)
{
    (void)fprintf(out, "| option | values | default | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        (void)fprintf(out, "| `%s`%s | ", row->name, row->extension ? " (ours)" : "");
        if (row->values)
            print_values(out, row, " ");
        else
            (void)fprintf(out, "%s", row->type == OPTION_BOOL ? "true false" : placeholder(row));
        (void)fprintf(out, " | %s | %s%s |\n", shown_default(row), row->help,
                      row->effective ? "" : "; checked, no effect so far");
    }
}
