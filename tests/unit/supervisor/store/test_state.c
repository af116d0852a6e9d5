/* The life of a task: every state against every event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/store/state.h"

#define NO LIFE_STATE_COUNT /* refused */

static const enum life_state expected[LIFE_STATE_COUNT][LIFE_EVENT_COUNT] = {
    /*                 submit       claim         finish        fail          blame        interrupt    cancel
       fetch           remove */
    [LIFE_NONE] = {LIFE_QUEUED, NO, NO, NO, NO, NO, NO, NO, NO},
    [LIFE_QUEUED] = {NO, LIFE_RUNNING, NO, LIFE_FAILURE, NO, NO, LIFE_CANCELLED, NO, NO},
    [LIFE_RUNNING] = {NO, NO, LIFE_SUCCESS, LIFE_FAILURE, LIFE_QUEUED, LIFE_QUEUED, LIFE_CANCELLED, NO, NO},
    [LIFE_SUCCESS] = {NO, NO, NO, NO, NO, NO, NO, LIFE_SUCCESS, LIFE_NONE},
    [LIFE_FAILURE] = {NO, NO, NO, NO, NO, NO, NO, LIFE_FAILURE, LIFE_NONE},
    [LIFE_CANCELLED] = {NO, NO, NO, NO, NO, NO, NO, LIFE_CANCELLED, LIFE_NONE},
};

static void every_pair(void **state)
{
    (void)state;
    for (int s = 0; s < LIFE_STATE_COUNT; s++) {
        for (int e = 0; e < LIFE_EVENT_COUNT; e++) {
            const struct life before = {(enum life_state)s, 4, 1, 2};
            struct life life = before;
            int rc = life_step(&life, (enum life_event)e, NULL);
            if (expected[s][e] == NO) {
                assert_int_equal(rc, s == LIFE_NONE ? ERR_NOTFOUND : ERR_BUSY);
                assert_memory_equal(&life, &before, sizeof(life));
                continue;
            }
            assert_int_equal(rc, 0);
            assert_int_equal(life.state, expected[s][e]);
            assert_int_equal(life.attempt, 4 + (e == LIFE_CLAIM));
            assert_int_equal(life.blamed, 1 + (e == LIFE_BLAME));
            assert_int_equal(life.interrupted, 2 + (e == LIFE_INTERRUPT));
        }
    }
}

static void blame_ends_in_failure(void **state)
{
    (void)state;
    struct life life = {0};
    assert_int_equal(life_step(&life, LIFE_SUBMIT, NULL), 0);
    for (int i = 1; i <= LIFE_BLAMED_MAX; i++) {
        assert_int_equal(life_step(&life, LIFE_CLAIM, NULL), 0);
        assert_int_equal(life_step(&life, LIFE_BLAME, NULL), 0);
        assert_int_equal(life.state, i < LIFE_BLAMED_MAX ? LIFE_QUEUED : LIFE_FAILURE);
    }
    assert_int_equal(life.attempt, LIFE_BLAMED_MAX);
}

static void interruptions_never_end_it(void **state)
{
    (void)state;
    struct life life = {.state = LIFE_QUEUED, .blamed = LIFE_BLAMED_MAX - 1};
    for (int i = 0; i < 50; i++) {
        assert_int_equal(life_step(&life, LIFE_CLAIM, NULL), 0);
        assert_int_equal(life_step(&life, LIFE_INTERRUPT, NULL), 0);
        assert_int_equal(life.state, LIFE_QUEUED);
    }
}

static void names_are_told(void **state)
{
    (void)state;
    assert_string_equal(life_state_name(LIFE_CANCELLED), "cancelled");
    assert_string_equal(life_event_name(LIFE_REMOVE), "remove");
    assert_string_equal(life_event_name(LIFE_EVENT_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair), cmocka_unit_test(blame_ends_in_failure),
                                       cmocka_unit_test(interruptions_never_end_it),
                                       cmocka_unit_test(names_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
