/* Model outputs to text, regions and tables: CTC, PicoDet, SLANet. */
#include "cm.h"

#include "base/mem.h"
#include "engine/vision/ctc.h"
#include "engine/vision/picodet.h"
#include "engine/vision/slanet.h"

static void test_argmax_of_any_length(void **state)
{
    (void)state;
    float v[100];
    for (size_t n = 1; n <= 100; n++)
        for (size_t best = 0; best < n; best++) {
            for (size_t i = 0; i < n; i++)
                v[i] = -1 - (float)((i * 7) % 5);
            v[best] = -0.5f;
            assert_int_equal(ctc_argmax(v, n), best);
        }
    v[0] = v[1] = v[2] = NAN;
    assert_int_equal(ctc_argmax(v, 3), 0);
    v[0] = v[1] = v[2] = 1;
    assert_int_equal(ctc_argmax(v, 3), 0);
}

static void test_ctc_repeats_blanks_and_spaces(void **state)
{
    (void)state;
    static const char *const dictionary[] = {"a", "é", "中"};
    const int path[] = {0, 1, 1, 0, 1, 4, 4, 2, 3, 3, 0};
    float probs[11 * 5];
    for (int t = 0; t < 11; t++)
        for (int c = 0; c < 5; c++)
            probs[t * 5 + c] = c == path[t] ? 0.8f : 0.05f;
    struct buf text = BUF_INIT(100);
    struct ctc_line line = {.score = -1};
    assert_int_equal(ctc_decode(probs, 11, 5, dictionary, 3, &text, &line, NULL), 0);
    assert_string_equal(buf_str(&text), "aa é中");
    assert_near(line.score, 0.8, 1e-6);
    assert_int_equal(line.characters, 5);
    assert_int_equal(line.tight, 2); /* the space after "a", "中" after "é"; "é" has a step of room */
    buf_reset(&text);
    assert_int_equal(ctc_decode(probs, 1, 5, dictionary, 3, &text, &line, NULL), 0);
    assert_string_equal(buf_str(&text), "");
    assert_near(line.score, 0, 0);
    assert_int_equal(line.characters, 0);
    assert_int_equal(ctc_decode(probs, 1, 6, dictionary, 3, &text, &line, NULL), ERR_FORMAT);
    buf_done(&text);
}

/* Equal characters as close as can be have one blank between them; that is tight, two blanks are not. */
static void test_ctc_tight_characters(void **state)
{
    (void)state;
    static const char *const dictionary[] = {"i", "l"};
    const int path[] = {2, 0, 2, 0, 0, 2, 1, 1, 0, 1, 0, 2};
    float probs[12 * 4];
    for (int t = 0; t < 12; t++)
        for (int c = 0; c < 4; c++)
            probs[t * 4 + c] = c == path[t] ? 0.7f : 0.1f;
    struct buf text = BUF_INIT(100);
    struct ctc_line line;
    assert_int_equal(ctc_decode(probs, 12, 4, dictionary, 2, &text, &line, NULL), 0);
    assert_string_equal(buf_str(&text), "llliil");
    assert_int_equal(line.characters, 6);
    assert_int_equal(line.tight, 2); /* the second "l", and the "i" right after the third */
    buf_done(&text);
}

#define PICO_W 64
#define PICO_H 128
#define BINS 8

struct pico {
    struct tensor out[2 * PICODET_GRIDS];
};

static void pico_new(struct pico *p, int classes)
{
    for (int g = 0; g < PICODET_GRIDS; g++) {
        int64_t cells = (PICO_W / (8 << g) + (PICO_W % (8 << g) != 0)) * (PICO_H / (8 << g));
        p->out[g] = (struct tensor){xnew_array(float, (size_t)(cells * classes)), {1, cells, classes}, 3};
        p->out[g + 4] = (struct tensor){xnew_array(float, (size_t)cells * 4 * BINS), {1, cells, 4 * BINS}, 3};
    }
}

static void pico_free(struct pico *p)
{
    for (int i = 0; i < 2 * PICODET_GRIDS; i++)
        free(p->out[i].data);
}

static void pico_set(struct pico *p, int grid, int cell, int class, float score, const int distance[4])
{
    p->out[grid].data[cell * (int)p->out[grid].dims[2] + class] = score;
    for (int side = 0; side < 4; side++)
        p->out[grid + 4].data[(cell * 4 + side) * BINS + distance[side]] = 50;
}

static void test_picodet_boxes_and_suppression(void **state)
{
    (void)state;
    struct pico p;
    pico_new(&p, 3);
    pico_set(&p, 0, 8 * 5 + 3, 1, 0.9f, (const int[]){2, 1, 3, 1}); /* centre 28, 44 */
    pico_set(&p, 0, 8 * 5 + 4, 1, 0.6f, (const int[]){3, 1, 2, 1}); /* the same box seen from the next cell */
    pico_set(&p, 0, 8 * 5 + 5, 2, 0.7f, (const int[]){4, 1, 1, 1}); /* and another class: both stay */
    pico_set(&p, 1, 4 * 7 + 3, 0, 0.8f, (const int[]){7, 7, 7, 7}); /* reaches over the edge: clipped */
    pico_set(&p, 2, 0, 0, 0.4f, (const int[]){0, 0, 1, 1});         /* not above the threshold */
    const struct picodet_options o = {PICO_W, PICO_H, 3, 0.4f, 0.5f, 100};
    struct picodet_boxes b = {0};
    assert_int_equal(picodet_decode(p.out, &o, &b, NULL), 0);
    assert_int_equal(b.count, 3);
    assert_int_equal(b.items[0].label, 0);
    assert_near(b.items[0].left, 0, 0);
    assert_near(b.items[0].right, PICO_W, 0);
    assert_int_equal(b.items[1].label, 1);
    assert_near(b.items[1].score, 0.9, 1e-6);
    assert_near(b.items[1].left, 12, 1e-3);
    assert_near(b.items[1].top, 36, 1e-3);
    assert_near(b.items[1].right, 52, 1e-3);
    assert_near(b.items[1].bottom, 52, 1e-3);
    assert_int_equal(b.items[2].label, 2);
    free(b.items);
    pico_free(&p);
}

static void test_picodet_refuses_other_shapes(void **state)
{
    (void)state;
    struct pico p;
    pico_new(&p, 3);
    struct picodet_options o = {PICO_W, PICO_H, 4, 0.4f, 0.5f, 100};
    struct picodet_boxes b = {0};
    assert_int_equal(picodet_decode(p.out, &o, &b, NULL), ERR_FORMAT);
    o.classes = 3;
    p.out[6].dims[2] = 4 * 64;
    assert_int_equal(picodet_decode(p.out, &o, &b, NULL), ERR_FORMAT);
    assert_int_equal(b.count, 0);
    pico_free(&p);
}

static const char *const html[] = {
    "<thead>", "</thead>",       "<tbody>",        "</tbody>",        "<tr>",     "</tr>", "<td", ">",
    "</td>",   " colspan=\"2\"", " rowspan=\"2\"", " colspan=\"20\"", "<td></td>"};
enum { THEAD = 1, THEAD_END, TBODY, TBODY_END, TR, TR_END, TD, CLOSE, TD_END, COL2, ROW2, COL20, CELL, EOS };
#define CLASSES 15

static int table_decode(const int *path, size_t steps, struct ipc_grid *ret)
{
    float *tokens = xnew_array(float, steps *CLASSES), *boxes = xnew_array(float, steps * 8);
    for (size_t t = 0; t < steps; t++) {
        tokens[t * CLASSES + (size_t)path[t]] = 0.9f;
        const float box[8] = {0.1f, 0.2f, 0.3f, 0.2f, 0.3f, 0.4f, 0.1f, 0.4f};
        memcpy(boxes + t * 8, box, sizeof(box));
    }
    struct slanet_output o = {boxes, tokens, steps, CLASSES};
    int r = slanet_decode(&o, html, 13, 100, 200, 1000, 1000, ret, NULL);
    free(tokens);
    free(boxes);
    return r;
}

/* Two header cells of which the first covers two columns, then a cell over two rows. */
static void test_slanet_places_cells_as_html_does(void **state)
{
    (void)state;
    const int path[] = {THEAD, TR,   TD,   COL2,   CLOSE,     TD_END, CELL, TR_END, THEAD_END,
                        TBODY, TR,   TD,   ROW2,   CLOSE,     TD_END, CELL, CELL,   TR_END,
                        TR,    CELL, CELL, TR_END, TBODY_END, EOS,    CELL};
    struct ipc_grid g = {0};
    assert_int_equal(table_decode(path, ARRAY_LEN(path), &g), 0);
    assert_int_equal(g.rows, 3);
    assert_int_equal(g.cols, 3);
    const int want[][5] = {{0, 0, 1, 2, 1}, {0, 2, 1, 1, 1}, {1, 0, 2, 1, 0}, {1, 1, 1, 1, 0},
                           {1, 2, 1, 1, 0}, {2, 1, 1, 1, 0}, {2, 2, 1, 1, 0}};
    assert_int_equal(g.count, ARRAY_LEN(want));
    for (size_t i = 0; i < g.count; i++) {
        assert_int_equal(g.items[i].row, want[i][0]);
        assert_int_equal(g.items[i].col, want[i][1]);
        assert_int_equal(g.items[i].row_span, want[i][2]);
        assert_int_equal(g.items[i].col_span, want[i][3]);
        assert_int_equal(g.items[i].header, want[i][4]);
        assert_near(g.items[i].box.left, 200, 1e-2);
        assert_near(g.items[i].box.bottom, 600, 1e-2);
    }
    assert_near(g.score, 0.9, 1e-5);
    ipc_grid_done(&g);
}

static void test_slanet_survives_nonsense(void **state)
{
    (void)state;
    struct ipc_grid g = {0};
    const int lost[] = {COL2, CELL, ROW2, TR, TR, TD, ROW2, COL20, CLOSE};
    assert_int_equal(table_decode(lost, ARRAY_LEN(lost), &g), 0);
    for (size_t i = 0; i < g.count; i++) {
        assert_true(g.items[i].row + g.items[i].row_span <= g.rows);
        assert_true(g.items[i].col + g.items[i].col_span <= g.cols);
    }
    ipc_grid_done(&g);
    int *wide = xnew_array(int, 2000);
    for (size_t i = 0; i < 2000; i++)
        wide[i] = i % 2 ? COL20 : TD;
    wide[0] = TR;
    assert_int_equal(table_decode(wide, 2000, &g), 0);
    assert_true(g.cols <= 512);
    ipc_grid_done(&g);
    free(wide);
    const int none[] = {EOS, EOS};
    assert_int_equal(table_decode(none, 2, &g), 0);
    assert_int_equal(g.count, 0);
    ipc_grid_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_argmax_of_any_length),
        cmocka_unit_test(test_ctc_repeats_blanks_and_spaces),
        cmocka_unit_test(test_ctc_tight_characters),
        cmocka_unit_test(test_picodet_boxes_and_suppression),
        cmocka_unit_test(test_picodet_refuses_other_shapes),
        cmocka_unit_test(test_slanet_places_cells_as_html_does),
        cmocka_unit_test(test_slanet_survives_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
