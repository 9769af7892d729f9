/* Record locators: six characters that people read to each other. A booking's serial number, put
 * in another order by the installation's key, so that neighbours do not look related and nothing
 * has to be looked up to know that a locator is free: two serials less than LOCATOR_COUNT apart
 * never have the same one. It is a name, no secret: who knows one still has to prove who he is.
 * Pure. */
#pragma once

#include <stdint.h>

#include "base/str.h"

#define LOCATOR_LEN 6
#define LOCATOR_COUNT (INT64_C(1) << 30) /* after so many bookings they begin anew */
#define LOCATOR_KEY_BYTES 32

/* @serial to LOCATOR_LEN letters and digits without 0 O 1 I, and a NUL. */
void locator_format(const uint8_t key[static LOCATOR_KEY_BYTES], int64_t serial,
                    char ret_text[static LOCATOR_LEN + 1]);

/* The serial in 0 .. LOCATOR_COUNT - 1 whose locator @text is; those of the bookings that have it
 * differ from it by multiples of LOCATOR_COUNT. 0, or -EINVAL where @text is no locator. */
int locator_parse(const uint8_t key[static LOCATOR_KEY_BYTES], struct str text,
                  int64_t *ret_serial);
