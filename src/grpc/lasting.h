/* How many streams that nothing ends each caller has open. The server owns the numbers, intake
 * counts, overload.c asks. */
#pragma once

#include <stdbool.h>

#define LASTING_FEW 8u /* for each */

#define LASTING_ROWS 4096 /* for the clients of proxies, by a hash */

struct call_impl;

/* Of a method whose policy says @lasts, and its stream is open. */
bool lasting_has_room(const struct call_impl *ci);
/* The call is in flight; h2 is about to forget its stream. */
void lasting_begun(struct call_impl *ci);
void lasting_ended(struct call_impl *ci);
