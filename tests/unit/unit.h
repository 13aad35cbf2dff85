/* cmocka with the headers that it wants before it, in that order. */
#ifndef CERTWRIGHT_TESTS_UNIT_UNIT_H
#define CERTWRIGHT_TESTS_UNIT_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
