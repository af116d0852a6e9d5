/*
 * Markdown tables as docling-core writes them through Python's tabulate (format "github"): a spanning cell is
 * repeated in each slot, several header rows are joined into the one that Markdown allows, columns of numbers
 * are flush right. What is needed of a cell is measured once, so that a long text in a wide span costs its
 * length once and not per slot.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "worker/export/embed.h"
#include "worker/export/markdown.h"

#define HEADER_JOIN " - "
#define HEADER_PADDING 2 /* tabulate's MIN_PADDING */
/* A padded table may be this much larger than its text before it is written compact: one long cell pads a
 * whole column. */
#define PADDED_FREE_BYTES ((size_t)1024 * 1024)
#define PADDED_FACTOR 16

struct cell_size {
    size_t width;          /* characters as written */
    size_t stripped_width; /* the same without white space at the ends */
    int type;
};

struct md_table {
    const struct doc_table *t;
    int *grid;
    struct cell_size *sizes; /* by cell */
    int header_rows;
    size_t *widths; /* by column */
    bool *right;
};

static void md_table_done(struct md_table *m)
{
    free(m->grid);
    free(m->sizes);
    free(m->widths);
    free(m->right);
}

static size_t digits(const char *s, size_t *i)
{
    size_t n = 0;
    while (isdigit((unsigned char)s[*i]) || (s[*i] == '_' && n && isdigit((unsigned char)s[*i + 1]))) {
        n += s[*i] != '_';
        (*i)++;
    }
    return n;
}

/* Python's int() and float() for text without white space at its ends. */
static int number_type(const char *s, size_t len)
{
    size_t i = s[0] == '+' || s[0] == '-';
    size_t whole = digits(s, &i);
    if (whole && i == len)
        return 2;
    size_t fraction = 0;
    if (s[i] == '.') {
        i++;
        fraction = digits(s, &i);
    }
    if (whole + fraction == 0)
        return 5;
    if (s[i] == 'e' || s[i] == 'E') {
        i++;
        if (s[i] == '+' || s[i] == '-')
            i++;
        if (!digits(s, &i))
            return 5;
    }
    if (i != len)
        return 5;
    return isinf(strtod(s, NULL)) ? 5 : 3;
}

/* ^([+-]?[0-9]{1,3}(,[0-9]{3})*)?(\.[0-9]*)?$ with something in it. */
static int thousands_type(const char *s)
{
    size_t i = s[0] == '+' || s[0] == '-', whole = 0;
    while (isdigit((unsigned char)s[i + whole]))
        whole++;
    if (whole > 3 || (whole == 0 && i > 0))
        return 5;
    i += whole;
    while (whole && s[i] == ',' && isdigit((unsigned char)s[i + 1]) && isdigit((unsigned char)s[i + 2]) &&
           isdigit((unsigned char)s[i + 3]))
        i += 4;
    if (s[i] == '\0')
        return whole ? 2 : 5;
    if (s[i++] != '.')
        return 5;
    size_t fraction = strspn(s + i, "0123456789");
    return s[i + fraction] == '\0' && (whole || fraction) ? 3 : 5;
}

int markdown_cell_type(const char *s)
{
    if (!*s)
        return 0;
    if (strcmp(s, "True") == 0 || strcmp(s, "False") == 0)
        return 1;
    if (strcasecmp(s, "inf") == 0 || strcasecmp(s, "-inf") == 0 || strcasecmp(s, "nan") == 0)
        return 3;
    const char *start;
    size_t len = export_strip(s, &start);
    int type = len ? number_type(start, len) : 5;
    return type == 5 ? thousands_type(s) : type;
}

static size_t written_width(const char *s, size_t len)
{
    size_t width = utf8_count(s, len);
    for (size_t i = 0; i < len; i++)
        width += s[i] == '|' ? strlen("&#124;") - 1 : 0;
    return width;
}

static void put_cell(struct buf *b, const char *s, size_t len)
{
    size_t plain = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '|' && s[i] != '\n')
            continue;
        buf_append(b, s + plain, i - plain);
        buf_puts(b, s[i] == '|' ? "&#124;" : " ");
        plain = i + 1;
    }
    buf_append(b, s + plain, len - plain);
}

static const struct doc_cell *slot(const struct md_table *m, int row, int col)
{
    int cell = m->grid[(size_t)row * (size_t)m->t->cols + (size_t)col];
    return cell < 0 ? NULL : &m->t->cells[cell];
}

static bool has_header_below_first(const struct md_table *m, int first_col, bool only_first_col)
{
    for (int r = 1; r < m->t->rows; r++) {
        for (int c = 0; c < m->t->cols; c++) {
            const struct doc_cell *cell = slot(m, r, c);
            if (cell && cell->column_header &&
                (!only_first_col || (cell->col == first_col && cell->row == r)))
                return true;
        }
    }
    return false;
}

/* docling-core's _count_header_rows: the leading rows on which a column header begins; without any such flag
 * the first row. */
static int count_header_rows(const struct md_table *m)
{
    int first_col = m->t->cell_count ? m->t->cells[0].col : 0;
    for (size_t i = 0; i < m->t->cell_count; i++)
        first_col = MIN(first_col, m->t->cells[i].col);
    bool flagged_below = has_header_below_first(m, first_col, true);
    int count = 0;
    for (; count < m->t->rows; count++) {
        bool header = false, body = false;
        for (int c = 0; c < m->t->cols; c++) {
            const struct doc_cell *cell = slot(m, count, c);
            if (!cell || cell->row != count)
                continue;
            const char *text;
            header = header || cell->column_header;
            body = body ||
                   (!cell->column_header && cell->col != first_col && export_strip(cell->text, &text) > 0);
        }
        if (!header || (body && (count > 0 || flagged_below)))
            break;
    }
    if (count == 0 && !has_header_below_first(m, first_col, false))
        return 1;
    return count;
}

/* The header of a column: its texts in the header rows, without repeats of the one before. Writes it if b,
 * and returns its width. */
static size_t header_text(const struct md_table *m, int col, struct buf *b)
{
    size_t width = 0;
    const struct doc_cell *last = NULL;
    for (int r = 0; r < m->header_rows; r++) {
        const struct doc_cell *cell = slot(m, r, col);
        if (!cell || !cell->text[0] || cell == last || (last && strcmp(cell->text, last->text) == 0))
            continue;
        if (b && last)
            buf_puts(b, HEADER_JOIN);
        if (b)
            put_cell(b, cell->text, strlen(cell->text));
        width += m->sizes[cell - m->t->cells].width + (last ? strlen(HEADER_JOIN) : 0);
        last = cell;
    }
    return width;
}

static bool measure(struct md_table *m)
{
    const struct doc_table *t = m->t;
    m->grid = doc_table_make_grid(t);
    m->sizes = try_calloc(t->cell_count + 1, sizeof(*m->sizes));
    m->widths = try_calloc((size_t)t->cols, sizeof(*m->widths));
    m->right = try_calloc((size_t)t->cols, sizeof(*m->right));
    if (!m->grid || !m->sizes || !m->widths || !m->right)
        return false;
    for (size_t i = 0; i < t->cell_count; i++) {
        const char *text = t->cells[i].text, *start;
        size_t len = export_strip(text, &start);
        m->sizes[i] = (struct cell_size){.width = written_width(text, strlen(text)),
                                         .stripped_width = written_width(start, len),
                                         .type = markdown_cell_type(text)};
    }
    m->header_rows = count_header_rows(m);
    for (int c = 0; c < t->cols; c++) {
        int type = 1;
        m->widths[c] = header_text(m, c, NULL) + HEADER_PADDING;
        for (int r = m->header_rows; r < t->rows; r++) {
            const struct doc_cell *cell = slot(m, r, c);
            const struct cell_size *size = cell ? &m->sizes[cell - t->cells] : NULL;
            if (!size)
                continue;
            m->widths[c] = MAX(m->widths[c], size->stripped_width);
            type = MAX(type, size->type);
        }
        m->right[c] = type == 2 || type == 3;
    }
    return true;
}

/* Padding that would swell the table beyond reason is left out. */
static bool padding_is_reasonable(const struct md_table *m)
{
    size_t text = 0, padded = 0;
    for (int c = 0; c < m->t->cols; c++)
        padded += m->widths[c] + 3;
    if (!num_mul(padded, (size_t)m->t->rows + 2, &padded))
        return false;
    for (size_t i = 0; i < m->t->cell_count; i++)
        text += m->sizes[i].width;
    return padded <= PADDED_FREE_BYTES || padded / PADDED_FACTOR <= text;
}

static void put_spaces(struct buf *b, size_t n)
{
    static const char spaces[] = "                                                                ";
    for (; n && !b->overflown; n -= MIN(n, sizeof(spaces) - 1))
        buf_append(b, spaces, MIN(n, sizeof(spaces) - 1));
}

static void put_row(struct buf *b, const struct md_table *m, int row, bool compact)
{
    for (int c = 0; c < m->t->cols && !b->overflown; c++) {
        const struct doc_cell *cell = row < 0 ? NULL : slot(m, row, c);
        const char *start = "";
        size_t len = cell ? export_strip(cell->text, &start) : 0;
        size_t width = cell      ? m->sizes[cell - m->t->cells].stripped_width
                       : row < 0 ? header_text(m, c, NULL)
                                 : 0;
        size_t pad = compact ? 0 : m->widths[c] - MIN(width, m->widths[c]);
        buf_puts(b, "| ");
        if (m->right[c])
            put_spaces(b, pad);
        if (row < 0)
            (void)header_text(m, c, b);
        else
            put_cell(b, start, len);
        if (!m->right[c])
            put_spaces(b, pad);
        buf_putc(b, ' ');
    }
    buf_putc(b, '|');
}

static void put_rule(struct buf *b, const struct md_table *m, bool compact)
{
    for (int c = 0; c < m->t->cols && !b->overflown; c++) {
        buf_puts(b, compact ? "| - " : "|");
        for (size_t i = 0; !compact && i < m->widths[c] + 2 && !b->overflown; i++)
            buf_putc(b, '-');
    }
    buf_putc(b, '|');
}

void markdown_put_table(struct buf *b, const struct doc_table *t, bool compact)
{
    if (!t || t->rows <= 0 || t->cols <= 0)
        return;
    CLEANUP(md_table_done) struct md_table m = {.t = t};
    if (!measure(&m)) {
        b->overflown = true;
        return;
    }
    compact = compact || !padding_is_reasonable(&m);
    put_row(b, &m, -1, compact);
    buf_putc(b, '\n');
    put_rule(b, &m, compact);
    for (int r = m.header_rows; r < t->rows && !b->overflown; r++) {
        buf_putc(b, '\n');
        put_row(b, &m, r, compact);
    }
}
