/* What people read of the settings table: --help, the man page, and the table of the docs. */
#include "base/macros.h"
#include "conf/setting_table.h"
#include "conf/settings.h"
#include "conf/text.h"

static const char *placeholder(const struct setting_row *r)
{
    static const char *const names[] = {"TEXT", "NAME", "", "N", "SIZE", "SECONDS", "NUMBER"};
    return names[r->type];
}

static const char *shown_default(const struct setting_row *r)
{
    return r->def_shown ? r->def_shown : *r->def ? r->def : "none";
}

void settings_print_help(FILE *out)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        const struct setting_row *r = &setting_rows[i];
        if (r->group)
            (void)fprintf(out, "%s%s:\n", i ? "\n" : "", r->group);
        char left[64];
        if (r->flag)
            (void)snprintf(left, sizeof(left), "--%s %s", r->flag, placeholder(r));
        else
            (void)snprintf(left, sizeof(left), "(environment only)");
        (void)fprintf(out, "  %-30s %s", left, r->help);
        if (r->type == ROW_CHOICE)
            (void)fprintf(out, " (%s)", r->choices);
        (void)fprintf(out, "\n  %-30s default: %s", "", shown_default(r));
        for (size_t k = 0; k < ARRAY_LEN(r->env) && r->env[k]; k++)
            (void)fprintf(out, "%s%s", k ? ", " : "; environment: ", r->env[k]);
        (void)fprintf(out, "\n");
    }
}

void settings_print_man(FILE *out)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        const struct setting_row *r = &setting_rows[i];
        if (r->group)
            (void)fprintf(out, ".SS %s\n", r->group);
        (void)fprintf(out, ".TP\n");
        if (r->flag) {
            (void)fprintf(out, ".B \\-\\-");
            text_print_man(out, r->flag);
            (void)fprintf(out, " %s\n", placeholder(r));
        } else {
            (void)fprintf(out, ".B ");
            text_print_man(out, r->env[0]);
            (void)fprintf(out, "\n");
        }
        text_print_man(out, r->help);
        (void)fprintf(out, ". Default: ");
        text_print_man(out, shown_default(r));
        (void)fprintf(out, ".");
        for (size_t k = 0; k < ARRAY_LEN(r->env) && r->env[k]; k++) {
            (void)fprintf(out, "%s", k ? ", " : " Environment: ");
            text_print_man(out, r->env[k]);
        }
        (void)fprintf(out, "\n");
    }
}

void settings_print_markdown(FILE *out)
{
    (void)fprintf(out, "| flag | environment | default | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < setting_row_count; i++) {
        const struct setting_row *r = &setting_rows[i];
        (void)fprintf(out, "| ");
        if (r->flag)
            (void)fprintf(out, "`--%s`", r->flag);
        (void)fprintf(out, " | ");
        for (size_t k = 0; k < ARRAY_LEN(r->env) && r->env[k]; k++)
            (void)fprintf(out, "%s`%s`", k ? " " : "", r->env[k]);
        (void)fprintf(out, " | %s | %s |\n", shown_default(r), r->help);
    }
}
