/* The booking's state machine, in one place (picture in states.c). `faregate check` walks every
 * history with it; a test compares it with the schema. Statements move bookings; nothing else may.
 */
#pragma once

#include <stddef.h>

struct state_move {
    const char *before;
    const char *after;
};

extern const struct state_move booking_moves[];
extern const size_t booking_move_count;
