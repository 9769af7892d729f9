/* A cancellation row as a message, for both RPCs. */
#pragma once

#include "services/booking/internal.h"

struct cancellation_view {
    struct uuid booking_id;
    struct uuid cancellation_id;
    struct uuid refund_id; /* nil: none */
    struct str state;
    struct str currency;
    struct str offer; /* its name */
    int64_t refund_minor;
    int64_t penalty_minor;
    int64_t expire_us;
    int64_t create_us;
    bool lapsed;
};

/* The same bytes for the same refund and penalty of an offer, whatever became of the booking. */
Faregate__V1__Cancellation *cancellation_message(const struct app *app, struct arena *arena,
                                                 const struct cancellation_view *view);

/* From what the statement `cancellation` read. */
struct cancellation_view cancellation_view_of(struct uuid booking_id, struct uuid cancellation_id,
                                              const struct booking_cancellation_row *row);
