/* ListBookings: the caller's own, newest first. The page token carries the last id sent.
 * What must stay true: a page stays below what a reply and the call's memory may be, whatever is in
 * the bookings. */
#include "services/booking/internal.h"
#include "services/shared/page_token.h"

#define PAGE_STANDARD 20
#define PAGE_MAX 100
#define PAGE_BYTES_MAX                                                                             \
    (2u << 20) /* behind this no further booking: a page of large ones is shorter */
#define HEAD_BYTES_MAX 6
#define CHANGING_BYTES_MAX 8192 /* what the changing part of a booking takes, and a page token */

struct list_bookings {
    uint32_t page_size;
    struct booking_list_rows rows;
};

static const char *const state_names[] = {
    "",          "PENDING", "HELD",   "CONFIRMING", "CONFIRMED", "CANCELLING",
    "CANCELLED", "EXPIRED", "FAILED", "COMPLETED",  "ATTENTION",
};

/* "HELD,CONFIRMED"; no text: all. */
static struct str states_asked(struct call *c, const Faregate__V1__ListBookingsRequest *req)
{
    struct str list = {0};
    for (size_t i = 0; i < req->n_states; i++)
        list =
            str_of(i == 0 ? state_names[req->states[i]]
                          : arena_printf(&c->arena, "%s,%s", list.p, state_names[req->states[i]]));
    return list;
}

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
    booking_list(c, &s->rows, c->principal.user_id, before, states_asked(c, req),
                 (int32_t)s->page_size + 1);
    return STEP_NEXT;
}

/* Tag and length in front of a booking: field 1, length-delimited. */
static uint8_t *put_head(uint8_t *p, size_t bytes)
{
    *p++ = 1 << 3 | 2;
    for (; bytes >= 0x80; bytes >>= 7)
        *p++ = (uint8_t)(bytes | 0x80);
    *p++ = (uint8_t)bytes;
    return p;
}

/* The call's memory has room for one more booking, twice: packed, and in the reply with
 * @reply_bytes before it. */
static bool has_room(const struct call *c, const struct booking_view *view, size_t reply_bytes)
{
    size_t left = c->arena.used_bytes_max - c->arena.used_bytes;
    size_t booking = view->snapshot.n + view->passengers.n + CHANGING_BYTES_MAX;
    return reply_bytes + 2 * booking + CHANGING_BYTES_MAX <= left;
}

/* As many as fit into the page. Serialized as they lie in their rows: unpacking a page of the
 * largest bookings would take more memory than a call has. */
static uint32_t pack_bookings(struct call *c, struct str *ret_packed, size_t *ret_bytes)
{
    const struct list_bookings *s = c->state;
    uint32_t count = s->rows.count < s->page_size ? s->rows.count : s->page_size;
    *ret_bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct booking_view view = BOOKING_VIEW_OF(&s->rows.rows[i]);
        if (*ret_bytes > PAGE_BYTES_MAX || !has_room(c, &view, *ret_bytes))
            return i;
        ret_packed[i] = booking_bytes(c, &view, booking_changing(c, &view));
        *ret_bytes += HEAD_BYTES_MAX + ret_packed[i].n;
    }
    return count;
}

static enum step answer(struct call *c)
{
    const struct list_bookings *s = c->state;
    Faregate__V1__ListBookingsResponse rest = FAREGATE__V1__LIST_BOOKINGS_RESPONSE__INIT;
    struct str packed[PAGE_MAX];
    size_t bytes;
    uint32_t count = pack_bookings(c, packed, &bytes);
    if (s->rows.count > 0 && count == 0)
        return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    if (s->rows.count > count)
        rest.next_page_token =
            page_token_seal(c, s->rows.rows[count - 1].booking_id.b, sizeof(struct uuid));
    uint8_t *reply = arena_alloc(
        &c->arena, bytes + faregate__v1__list_bookings_response__get_packed_size(&rest) + 1);
    uint8_t *p = reply;
    for (uint32_t i = 0; i < count; i++) {
        p = put_head(p, packed[i].n);
        memcpy(p, packed[i].p, packed[i].n);
        p += packed[i].n;
    }
    p += faregate__v1__list_bookings_response__pack(&rest, p);
    return call_reply_bytes(c, reply, (size_t)(p - reply));
}

static const struct step_def steps[] = {
    STEP(read_rows),
    STEP(answer),
};

const struct rpc_handler booking_list_bookings = {
    .method = "ListBookings",
    RPC_STEPS(steps, struct list_bookings),
};
