/* Record locators: six characters that people read to each other. Pure. */
#pragma once

#include <stdint.h>

#define LOCATOR_LEN 6

/* @random 30 random bits to LOCATOR_LEN letters and digits without 0 O 1 I, and a NUL. */
void locator_format(uint32_t random, char ret_text[static LOCATOR_LEN + 1]);
