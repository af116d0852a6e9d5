/* models/: the manifest's rules, the check of the files, loading once for many lanes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/models/manifest.h"
#include "engine/models/models.h"
#include "fixture.h"

#define LANES 4

static char *folder;
static struct backend *backend;

static int setup(void **state)
{
    (void)state;
    struct backend_options o = {.lanes = LANES};
    folder = fixture_models();
    return backend_new("fake", &o, &backend, NULL);
}

static int teardown(void **state)
{
    (void)state;
    backend_free(backend);
    fixture_remove(folder);
    return 0;
}

static void loads_and_splits_the_dictionary_exactly(void **state)
{
    (void)state;
    static const char text[] = "a\n \n\n\xe2\x80\x83\nb c\r\nlast";
    char sum[65], json[1000];
    fixture_write(folder, "tiny_rec.txt", text, sizeof(text) - 1);
    fixture_sha256(text, sizeof(text) - 1, sum);
    char model_sum[65];
    fixture_sha256("tiny_rec", 8, model_sum);
    int n = snprintf(
        json, sizeof(json),
        "{\"version\":1,\"models\":[{\"name\":\"tiny_rec\",\"role\":\"rec_tiny\",\"file\":\"tiny_rec.onnx\","
        "\"sha256\":\"%s\",\"bytes\":8,\"licence\":\"x\",\"source\":\"\",\"input\":\"\",\"output\":\"\","
        "\"memory_mb\":3,\"dictionary\":{\"file\":\"tiny_rec.txt\",\"sha256\":\"%s\",\"bytes\":%zu}}]}",
        model_sum, sum, sizeof(text) - 1);
    fixture_write(folder, "manifest.json", json, (size_t)n);
    struct models *m;
    struct err err = ERR_INIT;
    assert_int_equal(models_open(folder, backend, LANES, &m, &err), 0);
    const char *const *lines;
    size_t count;
    assert_int_equal(models_dictionary(m, MODEL_REC_TINY, &lines, &count, &err), 0);
    static const char *const expected[] = {"a", " ", "", "\xe2\x80\x83", "b c", "last"};
    assert_int_equal(count, ARRAY_LEN(expected));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(lines[i], expected[i]);
    struct backend_request *r;
    assert_int_equal(models_request(m, MODEL_DET_TINY, 0, &r, &err), ERR_NOTFOUND);
    models_free(m);
}

static void a_wrong_file_is_not_loaded_until_it_is_mended(void **state)
{
    (void)state;
    struct models *m;
    struct err err = ERR_INIT;
    struct backend_request *r;
    assert_int_equal(models_open(folder, backend, LANES, &m, &err), 0);
    fixture_write(folder, "tiny_det.onnx", "tiny_dex", 8);
    assert_int_equal(models_request(m, MODEL_DET_TINY, 0, &r, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "tiny_det.onnx"));
    fixture_write(folder, "tiny_det.onnx", "tiny_det, and more", 18);
    assert_int_equal(models_request(m, MODEL_DET_TINY, 0, &r, &err), ERR_FORMAT);
    assert_false(models_is_loaded(m, MODEL_DET_TINY));
    fixture_write(folder, "tiny_det.onnx", "tiny_det", 8);
    assert_int_equal(models_request(m, MODEL_DET_TINY, 0, &r, &err), 0);
    assert_true(models_is_loaded(m, MODEL_DET_TINY));
    fixture_write(folder, "small_rec.txt", "l\n", 2);
    assert_int_equal(models_request(m, MODEL_REC_SMALL, 0, &r, &err), ERR_FORMAT);
    assert_int_equal(models_request(m, MODEL_DET_TINY, LANES, &r, &err), ERR_BUG);
    const char *const *lines;
    size_t count;
    assert_int_equal(models_dictionary(m, MODEL_DET_TINY, &lines, &count, &err), ERR_NOTFOUND);
    models_free(m);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct models *m;
    struct err err = ERR_INIT;
    struct backend_request *r;
    assert_int_equal(models_open(folder, backend, LANES, &m, &err), 0);
    CLEANUP(freep) char *path = xasprintf("%s/layout.onnx", folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(models_request(m, MODEL_LAYOUT, 0, &r, &err), ERR_NOTFOUND);
    assert_non_null(strstr(err.message, path));
    models_free(m);
}

#define HEAD "{\"version\":1,\"models\":[{\"name\":\"a\",\"role\":\"layout\","
#define SUM "\"sha256\":\"00000000000000000000000000000000000000000000000000000000000000ff\","
#define TAIL "\"licence\":\"x\",\"source\":\"\",\"input\":\"\",\"output\":\"\",\"memory_mb\":3"
#define MODEL(role) "{\"name\":\"a\",\"role\":\"" role "\",\"file\":\"f\"," SUM "\"bytes\":1," TAIL "}"

static void manifests_that_break_a_rule(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int kind;
    } cases[] = {
        {"", ERR_FORMAT},
        {"{\"version\":1,\"models\":[", ERR_FORMAT},
        {"[]", ERR_FORMAT},
        {"{\"version\":1}", ERR_FORMAT},
        {"{\"version\":2,\"models\":[]}", ERR_UNSUPPORTED},
        {"{\"version\":1,\"models\":{}}", ERR_FORMAT},
        {"{\"version\":1,\"models\":[],\"more\":1}", ERR_FORMAT},
        {"{\"version\":1,\"version\":1,\"models\":[]}", ERR_FORMAT},
        {"{\"version\":1,\"models\":[7]}", ERR_FORMAT},
        {"{\"version\":1,\"models\":[" MODEL("kitchen") "]}", ERR_FORMAT},
        {"{\"version\":1,\"models\":[" MODEL("layout") "," MODEL("layout") "]}", ERR_FORMAT},
        {HEAD "\"file\":\"../f\"," SUM "\"bytes\":1," TAIL "}]}", ERR_FORMAT},
        {HEAD "\"file\":\"\"," SUM "\"bytes\":1," TAIL "}]}", ERR_FORMAT},
        {HEAD "\"file\":\"f\",\"sha256\":\"ff\",\"bytes\":1," TAIL "}]}", ERR_FORMAT},
        {HEAD "\"file\":\"f\"," SUM "\"bytes\":0," TAIL "}]}", ERR_FORMAT},
        {HEAD "\"file\":\"f\"," SUM "\"bytes\":\"1\"," TAIL "}]}", ERR_FORMAT},
        {HEAD "\"file\":\"f\"," SUM "\"bytes\":1," TAIL ",\"weights\":{}}]}", ERR_FORMAT},
        {HEAD "\"file\":\"f\"," SUM "\"bytes\":1," TAIL ",\"colour\":1}]}", ERR_FORMAT},
        {HEAD "\"file\":\"f\"," SUM "\"bytes\":1," TAIL ",\"dictionary\":{\"file\":\"d\"," SUM
              "\"bytes\":99999999}}]}",
         ERR_LIMIT},
        {"{\"version\":1,\"models\":[" MODEL("layout") "]}", 0},
        {"{\"version\":1,\"models\":[]}", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct manifest m;
        struct err err = ERR_INIT;
        fixture_write(folder, "manifest.json", cases[i].json, strlen(cases[i].json));
        int r = manifest_read(folder, &m, &err);
        if (r != cases[i].kind)
            fail_msg("case %zu: %d instead of %d (%s)", i, r, cases[i].kind, err.message);
        if (r == 0)
            manifest_done(&m);
    }
}

static void no_manifest(void **state)
{
    (void)state;
    struct manifest m;
    struct err err = ERR_INIT;
    assert_int_equal(manifest_read("/nowhere", &m, &err), ERR_NOTFOUND);
}

/* The manifest that is shipped: strict reading passes, and every role has a model. */
static void the_shipped_manifest(void **state)
{
    (void)state;
    struct manifest m;
    struct err err = ERR_INIT;
    if (manifest_read(SHIPPED_MODELS, &m, &err) < 0)
        fail_msg("%s", err.message);
    for (int role = 0; role < MODEL_ROLE_COUNT; role++) {
        assert_non_null(m.models[role].name);
        bool has_dictionary = role == MODEL_REC_TINY || role == MODEL_REC_SMALL || role == MODEL_TABLE;
        assert_int_equal(m.models[role].dictionary.name != NULL, has_dictionary);
    }
    assert_string_equal(m.models[MODEL_TABLE].weights.name, "slanet_plus.pdiparams");
    manifest_done(&m);
}

struct asker {
    pthread_t thread;
    struct models *models;
    int lane, result;
    struct backend_request *request;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    a->result = models_request(a->models, MODEL_REC_TINY, a->lane, &a->request, NULL);
    return NULL;
}

static void lanes_that_ask_at_once_share_one_load(void **state)
{
    (void)state;
    struct models *m;
    struct asker askers[LANES];
    assert_int_equal(models_open(folder, backend, LANES, &m, NULL), 0);
    for (int i = 0; i < LANES; i++) {
        askers[i] = (struct asker){.models = m, .lane = i};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < LANES; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].result, 0);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(askers[i].request, askers[k].request);
    }
    struct backend_request *again;
    assert_int_equal(models_request(m, MODEL_REC_TINY, 2, &again, NULL), 0);
    assert_ptr_equal(again, askers[2].request);
    models_free(m);
}

static void streams(void **state)
{
    (void)state;
    assert_int_equal(models_streams(MODEL_DET_TINY, 1), 1);
    assert_int_equal(models_streams(MODEL_DET_TINY, 2), 1);
    assert_int_equal(models_streams(MODEL_LAYOUT, 16), 6);
    assert_int_equal(models_streams(MODEL_REC_SMALL, 16), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loads_and_splits_the_dictionary_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_file_is_not_loaded_until_it_is_mended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(manifests_that_break_a_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(lanes_that_ask_at_once_share_one_load, setup, teardown),
        cmocka_unit_test(no_manifest),
        cmocka_unit_test(the_shipped_manifest),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
