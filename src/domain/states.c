/* See states.h.
 *
 *            +------------------ EXPIRED
 *            |   lease passed      ^  declined after the lease
 *   HELD ----+----> CONFIRMING ----+----> CONFIRMED ----> COMPLETED
 *    |  ^  pay       |    |   authorised     |
 *    |  +------------+    | unknown too long | cancel
 *    |    declined        v                  v
 *    |                ATTENTION <------- CANCELLING ----> CANCELLED
 *    +---- cancel, nothing paid -----------------------------^
 *
 * A booking may park in HELD (until its lease), CONFIRMING (until the provider is understood),
 * CANCELLING (until the refund has arrived) and ATTENTION (until a person decides). */
#include "domain/states.h"

const struct state_move booking_moves[] = {
    {"HELD", "CONFIRMING"},      {"HELD", "EXPIRED"},         {"HELD", "CANCELLED"},
    {"HELD", "CANCELLING"},      {"CONFIRMING", "CONFIRMED"}, {"CONFIRMING", "HELD"},
    {"CONFIRMING", "EXPIRED"},   {"CONFIRMING", "ATTENTION"}, {"CONFIRMED", "CANCELLING"},
    {"CONFIRMED", "CANCELLED"},  {"CONFIRMED", "COMPLETED"},  {"CONFIRMED", "ATTENTION"},
    {"CANCELLING", "CANCELLED"}, {"CANCELLING", "ATTENTION"}, {"ATTENTION", "CONFIRMED"},
    {"ATTENTION", "CANCELLING"}, {"ATTENTION", "CANCELLED"},  {"ATTENTION", "HELD"},
    {"ATTENTION", "EXPIRED"},
};

const size_t booking_move_count = sizeof booking_moves / sizeof booking_moves[0];
