/* backend/: the fake's answers and faults; the real runtime on a real model where the fetched models are
 * there. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/backend/backend.h"
#include "fixture.h"

static const char *const classes[] = {"9", "l", "i", "n", "e", "0", "1", "2", "3", "4", "5", "6", "7", "8"};

struct loaded {
    struct backend *b;
    struct backend_model *m;
    struct backend_request *r;
};

static struct loaded load_fake(const char *name)
{
    struct loaded l;
    struct backend_options o = {.lanes = 1};
    assert_int_equal(backend_new("fake", &o, &l.b, NULL), 0);
    assert_int_equal(backend_load(l.b, name, "/dev/null", 1, &l.m, NULL), 0);
    backend_set_classes(l.m, classes, ARRAY_LEN(classes));
    assert_int_equal(backend_request_new(l.m, &l.r, NULL), 0);
    return l;
}

static void unload(struct loaded *l)
{
    backend_request_free(l->r);
    backend_unload(l->m);
    backend_free(l->b);
}

static void names_and_shapes(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct backend *b;
    struct backend_options none = {.lanes = 0}, one = {.lanes = 1};
    assert_int_equal(backend_new("abacus", &one, &b, &err), ERR_ARG);
    assert_int_equal(backend_new("fake", &none, &b, &err), ERR_ARG);
    struct loaded l = load_fake("tiny_det");
    struct backend_model *m;
    assert_string_equal(backend_name(l.b), "fake");
    assert_int_equal(backend_load(l.b, "tiny_det", "/nowhere/x.onnx", 1, &m, &err), ERR_NOTFOUND);
    assert_int_equal(backend_load(l.b, "poem", "/dev/null", 1, &m, &err), ERR_UNSUPPORTED);
    float pixels[12] = {0};
    struct tensor out[1];
    int count;
    assert_int_equal(backend_infer(l.r, &(struct tensor){.data = pixels, .rank = 5}, out, 1, &count, &err),
                     ERR_BUG);
    assert_int_equal(backend_infer(l.r, &(struct tensor){.data = pixels, .rank = 4, .dims = {1, 3, 0, 4}},
                                   out, 1, &count, &err),
                     ERR_BUG);
    assert_int_equal(backend_infer(l.r, &(struct tensor){.data = pixels, .rank = 4, .dims = {1, 1, 3, 4}},
                                   out, 1, &count, &err),
                     ERR_ARG);
    assert_int_equal(backend_inferences(l.b), 0);
    unload(&l);
}

static void det_finds_the_dark(void **state)
{
    (void)state;
    enum { W = 64, H = 8 };
    float pixels[3 * H * W];
    for (size_t i = 0; i < ARRAY_LEN(pixels); i++)
        pixels[i] = 1.0f;
    pixels[2 * W + 20] = pixels[2 * W + 30] = -1.0f;
    struct loaded l = load_fake("tiny_det");
    struct tensor in = {.data = pixels, .rank = 4, .dims = {1, 3, H, W}}, out[1];
    int count;
    assert_int_equal(backend_infer(l.r, &in, out, 1, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(out[0].dims[1], 1);
    assert_int_equal(out[0].dims[2], H);
    assert_int_equal(out[0].dims[3], W);
    for (int x = 0; x < W; x++)
        assert_int_equal(out[0].data[2 * W + x] > 0.5f, x >= 10 && x <= 40); /* one piece: the words join */
    for (int x = 0; x < W; x++)
        assert_true(out[0].data[1 * W + x] < 0.5f);
    assert_int_equal(backend_inferences(l.b), 1);
    unload(&l);
}

static void spell(const struct tensor *out, size_t item, char *text)
{
    size_t steps = (size_t)out->dims[1], width = (size_t)out->dims[2], last = 0;
    for (size_t s = 0; s < steps; s++) {
        const float *row = out->data + (item * steps + s) * width;
        size_t best = 0;
        for (size_t c = 1; c < width; c++)
            if (row[c] > row[best])
                best = c;
        if (best != 0 && best != last)
            *text++ = classes[best - 1][0];
        last = best;
    }
    *text = '\0';
}

static void rec_spells_line_and_a_digit(void **state)
{
    (void)state;
    enum { W = 160, PLANE = 48 * W };
    float *pixels = xnew_array(float, 2 * 3 * PLANE);
    for (size_t i = 0; i < 2 * 3 * PLANE; i++)
        pixels[i] = i < 3 * PLANE && i % 7 == 0 ? -1.0f : 1.0f;
    struct loaded l = load_fake("small_rec");
    struct tensor in = {.data = pixels, .rank = 4, .dims = {2, 3, 48, W}}, out[1];
    int count;
    char first[32], again[32], empty[32];
    assert_int_equal(backend_infer(l.r, &in, out, 1, &count, NULL), 0);
    assert_int_equal(out[0].dims[0], 2);
    assert_int_equal(out[0].dims[2], ARRAY_LEN(classes) + 2);
    spell(&out[0], 0, first);
    spell(&out[0], 1, empty);
    assert_int_equal(strlen(first), 5);
    assert_memory_equal(first, "line", 4);
    assert_true(first[4] >= '0' && first[4] <= '9');
    assert_string_equal(empty, "");
    assert_int_equal(backend_infer(l.r, &in, out, 1, &count, NULL), 0);
    spell(&out[0], 0, again);
    assert_string_equal(again, first);
    free(pixels);
    unload(&l);
}

static void layout_and_table_have_their_outputs(void **state)
{
    (void)state;
    float *pixels = xnew_array(float, 3 * 800 * 608);
    struct tensor in = {.data = pixels, .rank = 4, .dims = {1, 3, 800, 608}}, out[8];
    int count;
    struct loaded l = load_fake("picodet_layout_cdla");
    assert_int_equal(backend_infer(l.r, &in, out, 8, &count, NULL), 0);
    static const int64_t cells[4] = {7600, 1900, 475, 130};
    assert_int_equal(count, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(out[i].dims[1], cells[i % 4]);
        assert_int_equal(out[i].dims[2], i < 4 ? 10 : 32);
    }
    assert_int_equal(backend_infer(l.r, &in, out, 3, &count, NULL), 0);
    assert_int_equal(count, 3);
    unload(&l);
    l = load_fake("slanet_plus_table");
    assert_int_equal(backend_infer(l.r, &in, out, 8, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(out[0].dims[2], 8);
    assert_int_equal(out[1].dims[2], ARRAY_LEN(classes) + 2);
    unload(&l);
    free(pixels);
}

static int infer_once(struct loaded *l)
{
    float pixels[3 * 4] = {0};
    struct tensor in = {.data = pixels, .rank = 4, .dims = {1, 3, 2, 2}}, out[1];
    int count;
    return backend_infer(l->r, &in, out, 1, &count, NULL);
}

static void faults_come_when_they_are_asked_for(void **state)
{
    (void)state;
    setenv("PLATEN_FAKE_SLEEP_MS", "20", 1);
    struct loaded l = load_fake("orientation");
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(infer_once(&l), 0);
    assert_true(clock_mono_ms() - start_ms >= 19);
    unload(&l);
    unsetenv("PLATEN_FAKE_SLEEP_MS");
    setenv("PLATEN_FAKE_CRASH_AT", "2", 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka catches it in the parent */
        l = load_fake("orientation");
        if (infer_once(&l) == 0)
            infer_once(&l);
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    unsetenv("PLATEN_FAKE_CRASH_AT");
}

/* The runtime loads a library with RTLD_DEEPBIND, at which AddressSanitizer ends the process. */
#ifdef __SANITIZE_ADDRESS__
static const bool runtime_works = false;
#else
static const bool runtime_works = true;
#endif

static bool can_run_models(void)
{
    bool there = access(SDK_MODELS "/textline_cls.onnx", R_OK) == 0;
    if (!runtime_works)
        print_message("left out: OpenVINO does not run under AddressSanitizer\n");
    else if (!there)
        print_message("left out: no models in %s\n", SDK_MODELS);
    return runtime_works && there;
}

static void openvino_runs_a_model(void **state)
{
    (void)state;
    struct loaded l;
    struct err err = ERR_INIT;
    struct backend_options o = {.lanes = 2};
    if (!can_run_models())
        return;
    if (backend_new("openvino", &o, &l.b, &err) < 0 ||
        backend_load(l.b, "cls", SDK_MODELS "/textline_cls.onnx", 2, &l.m, &err) < 0 ||
        backend_request_new(l.m, &l.r, &err) < 0)
        fail_msg("%s", err.message);
    float *pixels = xnew_array(float, 2 * 3 * 48 * 192);
    struct tensor out[BACKEND_MAX_OUTPUTS];
    int count;
    float sums[2][2];
    for (int64_t n = 1; n <= 2; n++) { /* the shape stays dynamic */
        struct tensor in = {.data = pixels, .rank = 4, .dims = {n, 3, 48, 192}};
        if (backend_infer(l.r, &in, out, BACKEND_MAX_OUTPUTS, &count, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(count, 1);
        assert_int_equal(out[0].rank, 2);
        assert_int_equal(out[0].dims[0], n);
        assert_int_equal(out[0].dims[1], 2);
        for (int64_t i = 0; i < n; i++)
            assert_true(fabsf(out[0].data[i * 2] + out[0].data[i * 2 + 1] - 1.0f) < 1e-3f);
        memcpy(sums[n - 1], out[0].data, sizeof(sums[0]));
    }
    assert_true(fabsf(sums[0][0] - sums[1][0]) < 1e-3f);
    struct tensor wrong = {.data = pixels, .rank = 4, .dims = {1, 5, 48, 192}};
    assert_true(backend_infer(l.r, &wrong, out, BACKEND_MAX_OUTPUTS, &count, &err) < 0);
    assert_true(err.message[0] != '\0');
    assert_int_equal(backend_inferences(l.b), 2);
    free(pixels);
    unload(&l);
}

static void openvino_refuses_what_is_no_model(void **state)
{
    (void)state;
    struct backend *b;
    struct backend_model *m;
    struct err err = ERR_INIT;
    struct backend_options o = {.lanes = 1};
    if (!can_run_models())
        return;
    assert_int_equal(backend_new("openvino", &o, &b, &err), 0);
    char *folder = fixture_models(); /* its files hold their names only */
    CLEANUP(freep) char *path = xasprintf("%s/layout.onnx", folder);
    assert_true(backend_load(b, "layout", path, 1, &m, &err) < 0);
    assert_memory_equal(err.message, "layout: ", 8);
    assert_true(backend_load(b, "layout", "/nowhere/at.onnx", 1, &m, &err) < 0);
    fixture_remove(folder);
    backend_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_shapes),
        cmocka_unit_test(det_finds_the_dark),
        cmocka_unit_test(rec_spells_line_and_a_digit),
        cmocka_unit_test(layout_and_table_have_their_outputs),
        cmocka_unit_test(faults_come_when_they_are_asked_for),
        cmocka_unit_test(openvino_runs_a_model),
        cmocka_unit_test(openvino_refuses_what_is_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
