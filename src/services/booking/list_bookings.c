/* ListBookings: the caller's own, newest first. The page token carries the last id sent. */
#include "grpc/pb_memory.h"
#include "services/booking/internal.h"
#include "services/shared/page_token.h"

#define PAGE_STANDARD 20
#define PAGE_MAX 100

struct list_bookings {
    uint32_t page_size;
    struct booking_list_rows rows;
};

static const char *const state_names[] = {
    "",          "PENDING",  "HELD",    "CONFIRMING", "CONFIRMED", "CANCELLING",
    "CANCELLED", "EXPIRED",  "FAILED",  "COMPLETED",  "ATTENTION",
};

static enum step read_rows(struct call *c)
{
    struct list_bookings *s = c->state;
    const Faregate__V1__ListBookingsRequest *req = call_request(c);
    struct uuid before = BOOKING_ID_MAX;
    bool found;
    if (!page_token_open(c, req->page_token, sizeof before.b, before.b, &found))
        return STEP_DONE;
    if (!found)
        before = BOOKING_ID_MAX;
    s->page_size = page_size(req->page_size, PAGE_STANDARD, PAGE_MAX);
    struct str *states = arena_array(&c->arena, req->n_states + 1, sizeof *states);
    for (size_t i = 0; i < req->n_states; i++)
        states[i] = str_of(state_names[req->states[i]]);
    booking_list(c, &s->rows, c->principal.user_id, before, states, req->n_states, (int32_t)s->page_size + 1);
    return STEP_NEXT;
}

/* The fragments are merged by unpacking here: a list is not worth writing wire bytes by hand. */
static enum step answer(struct call *c)
{
    struct list_bookings *s = c->state;
    Faregate__V1__ListBookingsResponse m = FAREGATE__V1__LIST_BOOKINGS_RESPONSE__INIT;
    size_t count = s->rows.count < s->page_size ? s->rows.count : s->page_size;
    m.bookings = arena_array(&c->arena, count + 1, sizeof *m.bookings);
    struct pb_memory memory;
    pb_memory_init(&memory, &c->arena);
    for (; m.n_bookings < count; m.n_bookings++) {
        struct booking_view view = BOOKING_VIEW_OF(&s->rows.rows[m.n_bookings]);
        struct str bytes = booking_bytes(c, &view, booking_changing(&c->arena, &view));
        m.bookings[m.n_bookings] = faregate__v1__booking__unpack(&memory.allocator, bytes.n, (const uint8_t *)bytes.p);
        if (!m.bookings[m.n_bookings])
            return call_fail(c, REASON_INTERNAL_ERROR);
    }
    if (s->rows.count > count && count > 0)
        m.next_page_token = page_token_seal(c, s->rows.rows[count - 1].booking_id.b, sizeof(struct uuid));
    return call_reply(c, &m.base);
}

static const struct step_def steps[] = {
    STEP(read_rows),
    STEP(answer),
};

const struct rpc_handler booking_list_bookings = {
    .method = "ListBookings",
    RPC_STEPS(steps, struct list_bookings),
};
