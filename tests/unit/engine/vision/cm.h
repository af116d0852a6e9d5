/* What every test here includes before cmocka. */
#ifndef PLATEN_TESTS_VISION_CM_H
#define PLATEN_TESTS_VISION_CM_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (double)(tolerance))

#endif
