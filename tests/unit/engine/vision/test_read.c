/*
 * The plan of reading, with a scripted recogniser in the place of the models: which lines are read again, by
 * what, and what is kept; and that nothing leaks when a model fails.
 */
#include "cm.h"

#include "base/mem.h"
#include "engine/vision/vision.h"

/* The scripted models: each role answers one character with the given score. */
struct models {
    float score[MODEL_ROLE_COUNT];
    int asked[MODEL_ROLE_COUNT];
    int fail_after; /* calls until one fails; -1: never */
    int64_t widest;
    float cls_turned;
};
struct backend_request {
    struct models *models;
    enum model_role role;
    float output[8];
};

static struct models script;
static struct backend_request requests[MODEL_ROLE_COUNT];
static const char *const dictionary[] = {"T", "S"};

int models_request(struct models *m, enum model_role role, int lane, struct backend_request **ret,
                   struct err *err)
{
    (void)err;
    assert_int_equal(lane, 3);
    requests[role].models = m;
    requests[role].role = role;
    *ret = &requests[role];
    return 0;
}

int models_dictionary(struct models *m, enum model_role role, const char *const **ret, size_t *ret_count,
                      struct err *err)
{
    (void)m;
    (void)role;
    (void)err;
    *ret = dictionary;
    *ret_count = 2;
    return 0;
}

int backend_infer(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                  int max_outputs, int *ret_count, struct err *err)
{
    assert_int_equal(max_outputs, 1);
    struct models *m = r->models;
    m->asked[r->role]++;
    if (m->fail_after == 0)
        return err_fail(err, ERR_MEMORY, "scripted");
    if (m->fail_after > 0)
        m->fail_after--;
    m->widest = MAX(m->widest, input->dims[3]);
    memset(r->output, 0, sizeof(r->output));
    *ret_outputs = (struct tensor){.data = r->output, .dims = {1, 1, 4}, .rank = 3};
    if (r->role == MODEL_TEXTLINE_CLS) {
        r->output[1] = m->cls_turned;
        *ret_outputs = (struct tensor){.data = r->output, .dims = {1, 2}, .rank = 2};
    } else {
        r->output[r->role == MODEL_REC_TINY ? 1 : 2] = m->score[r->role];
    }
    *ret_count = 1;
    return 0;
}

static uint8_t page[200 * 100];
static const struct vision_image image = {
    .pixels = page, .width_px = 200, .height_px = 100, .stride_bytes = 200, .channels = 1};
static const struct vision_lane lane = {.models = &script, .lane = 3};
static const struct vision_quad two[2] = {{{10, 10, 190, 10, 190, 30, 10, 30}, 0.9f},
                                          {{10, 50, 60, 50, 60, 70, 10, 70}, 0.9f}};

static int read_two(float tiny, float small, enum ipc_read_mode mode, struct ipc_line out[2])
{
    script = (struct models){.fail_after = -1};
    script.score[MODEL_REC_TINY] = tiny;
    script.score[MODEL_REC_SMALL] = small;
    return vision_read(&lane, &image, two, 2, mode, false, out, NULL);
}

static void lines_free(struct ipc_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i].text);
}

static void test_auto_asks_small_only_in_doubt(void **state)
{
    (void)state;
    struct ipc_line out[2];
    assert_int_equal(read_two(0.99f, 0.999f, IPC_READ_AUTO, out), 0);
    assert_int_equal(script.asked[MODEL_REC_SMALL], 0);
    assert_string_equal(out[0].text, "T");
    lines_free(out, 2);
    assert_int_equal(read_two(0.7f, 0.8f, IPC_READ_AUTO, out), 0);
    assert_int_equal(script.asked[MODEL_REC_SMALL], 2);
    assert_string_equal(out[1].text, "S");
    assert_near(out[1].score, 0.8, 1e-6);
    lines_free(out, 2);
    assert_int_equal(read_two(0.8f, 0.7f, IPC_READ_AUTO, out), 0);
    assert_string_equal(out[1].text, "T"); /* the better score stays */
    lines_free(out, 2);
}

static void test_modes_keep_to_their_model(void **state)
{
    (void)state;
    struct ipc_line out[2];
    assert_int_equal(read_two(0.7f, 0.7f, IPC_READ_TINY, out), 0);
    assert_int_equal(script.asked[MODEL_REC_SMALL], 0);
    lines_free(out, 2);
    assert_int_equal(read_two(0.7f, 0.7f, IPC_READ_SMALL, out), 0);
    assert_int_equal(script.asked[MODEL_REC_TINY], 0);
    lines_free(out, 2);
    assert_int_equal(vision_read(&lane, &image, two, 2, (enum ipc_read_mode)9, false, out, NULL), ERR_ARG);
}

static void test_unreadable_lines_are_empty(void **state)
{
    (void)state;
    struct ipc_line out[2];
    assert_int_equal(read_two(0.3f, 0.4f, IPC_READ_AUTO, out), 0);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(out[i].text, "");
        assert_near(out[i].score, 0, 0);
        assert_near(out[i].quad[2], two[i].quad[2], 0);
    }
    lines_free(out, 2);
    assert_int_equal(read_two(0, 0, IPC_READ_AUTO, out), 0);
    assert_string_equal(out[0].text, "");
    lines_free(out, 2);
}

static void test_classifier_turns_the_quad(void **state)
{
    (void)state;
    struct ipc_line out[2];
    script = (struct models){.fail_after = -1, .cls_turned = 0.97f};
    script.score[MODEL_REC_TINY] = 0.99f;
    assert_int_equal(vision_read(&lane, &image, two, 2, IPC_READ_AUTO, true, out, NULL), 0);
    assert_near(out[0].quad[0], 190, 0);
    assert_near(out[0].quad[1], 30, 0);
    lines_free(out, 2);
    script.cls_turned = 0.8f;
    assert_int_equal(vision_read(&lane, &image, two, 2, IPC_READ_AUTO, true, out, NULL), 0);
    assert_near(out[0].quad[0], 10, 0);
    lines_free(out, 2);
}

static void test_every_failure_is_clean(void **state)
{
    (void)state;
    for (int n = 0; n < 4; n++) {
        struct ipc_line out[2];
        script = (struct models){.fail_after = n};
        script.score[MODEL_REC_TINY] = 0.7f;
        script.score[MODEL_REC_SMALL] = 0.8f;
        assert_int_equal(vision_read(&lane, &image, two, 2, IPC_READ_AUTO, false, out, NULL), ERR_MEMORY);
        assert_null(out[0].text); /* the leak check sees to the rest */
        assert_null(out[1].text);
    }
}

static void test_endless_and_empty_quads_are_bounded(void **state)
{
    (void)state;
    struct ipc_line out[3];
    const struct vision_quad odd[3] = {{{0, 50, 1e9f, 50, 1e9f, 50.001f, 0, 50.001f}, 1},
                                       {{5, 5, 5, 5, 5, 5, 5, 5}, 1},
                                       {{-1e9f, 0, 1e9f, 3, 1e9f, 4, -1e9f, 1}, 1}};
    script = (struct models){.fail_after = -1};
    script.score[MODEL_REC_TINY] = 0.99f;
    assert_int_equal(vision_read(&lane, &image, odd, 3, IPC_READ_AUTO, false, out, NULL), 0);
    assert_true(script.widest <= 3200);
    lines_free(out, 3);
    struct vision_image bad = image;
    bad.stride_bytes = 10;
    assert_int_equal(vision_read(&lane, &bad, odd, 3, IPC_READ_AUTO, false, out, NULL), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_asks_small_only_in_doubt),
        cmocka_unit_test(test_modes_keep_to_their_model),
        cmocka_unit_test(test_unreadable_lines_are_empty),
        cmocka_unit_test(test_classifier_turns_the_quad),
        cmocka_unit_test(test_every_failure_is_clean),
        cmocka_unit_test(test_endless_and_empty_quads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
