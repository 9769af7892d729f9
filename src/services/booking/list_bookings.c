/* ListBookings: the caller's own, newest first. The page token carries the last id sent.
 * What must stay true: a page stays below what a reply and the call's memory may be, whatever is in
 * the bookings. */
#include "grpc/pb_put.h"
#include "services/booking/internal.h"
#include "services/shared/page_token.h"

#define PAGE_STANDARD 20
#define PAGE_MAX 100
#define PART_ROWS (PAGE_STANDARD + 1) /* read at once: others' pages share the statement */
#define PARTS_MAX (PAGE_MAX / PART_ROWS + 1)
#define PAGE_BYTES_MAX                                                                             \
    (2u << 20) /* behind this no further booking: a page of large ones is shorter */
#define HEAD_BYTES_MAX 6
#define TOKEN_BYTES_MAX 64  /* with its head */
#define REST_BYTES_MAX 8192 /* of the call's memory, for what makes the token */

enum { BOOKINGS = 1, NEXT_PAGE_TOKEN }; /* as the .proto numbers them */

struct list_bookings {
    uint32_t page_size;
    struct uuid before;
    struct str states;
    uint32_t asked;   /* rows, by the statement that was started last */
    unsigned attempt; /* of the call, when it was */
    uint32_t count; /* rows read so far, in @parts; one more than the page has: there is another */
    size_t bytes;
    bool is_all; /* there are no more */
    struct booking_list_rows parts[PARTS_MAX];
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

static enum step begin(struct call *c)
{
    struct list_bookings *s = c->state;
    const Faregate__V1__ListBookingsRequest *req = call_request(c);
    bool found;
    for (size_t i = 0; i < req->n_states; i++) {
        if (req->states[i] == FAREGATE__V1__BOOKING__STATE__STATE_UNSPECIFIED)
            return call_fail_field(c, REASON_FIELD_INVALID, "states",
                                   "STATE_UNSPECIFIED is the state of no booking");
    }
    if (!page_token_open(c, req->page_token, sizeof s->before.b, s->before.b, &found))
        return STEP_DONE;
    if (!found)
        s->before = BOOKING_ID_MAX;
    s->page_size = page_size(req->page_size, PAGE_STANDARD, PAGE_MAX);
    s->states = states_asked(c, req);
    return STEP_NEXT;
}

static const struct booking_list_row *row_of(const struct list_bookings *s, uint32_t i)
{
    return &s->parts[i / PART_ROWS].rows[i % PART_ROWS];
}

static void take_part(struct list_bookings *s)
{
    const struct booking_list_rows *part = &s->parts[s->count / PART_ROWS];
    for (uint32_t i = 0; i < part->count; i++)
        s->bytes += part->rows[i].snapshot.n + part->rows[i].passengers.n;
    s->count += part->count;
    if (part->count > 0)
        s->before = part->rows[part->count - 1].booking_id;
}

/* Part by part, until the page is full: what a statement reads for many callers at once stays in
 * memory whole. */
static enum step read_parts(struct call *c)
{
    struct list_bookings *s = c->state;
    const uint32_t wanted = s->page_size + 1;
    if (s->asked > 0 && s->attempt == c->attempt) {
        const uint32_t before = s->count;
        take_part(s);
        s->is_all = s->count - before < s->asked;
        if (s->is_all || s->count == wanted || s->bytes > PAGE_BYTES_MAX)
            return STEP_NEXT;
    }
    s->asked = wanted - s->count < PART_ROWS ? wanted - s->count : PART_ROWS;
    s->attempt = c->attempt;
    booking_list(c, &s->parts[s->count / PART_ROWS], c->principal.user_id, s->before, s->states,
                 (int32_t)s->asked);
    return STEP_AGAIN;
}

static struct booking_view view_of(const struct call *c, uint32_t i)
{
    return BOOKING_VIEW_OF(row_of(c->state, i), c->principal.user_id);
}

/* As many as fit into the page, and into the call's memory twice: here and in the reply's frame.
 * Serialized as they lie in their rows: unpacking a page of the largest bookings would take more
 * memory than a call has. */
static uint32_t count_bookings(const struct call *c, size_t *ret_bytes_max)
{
    const struct list_bookings *s = c->state;
    uint32_t count = s->count < s->page_size ? s->count : s->page_size;
    size_t left = c->arena.used_bytes_max - c->arena.used_bytes;
    *ret_bytes_max = TOKEN_BYTES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct booking_view view = view_of(c, i);
        size_t bytes_max = *ret_bytes_max + HEAD_BYTES_MAX + booking_bytes_max(&view);
        if (*ret_bytes_max > PAGE_BYTES_MAX || 2 * bytes_max + REST_BYTES_MAX > left)
            return i;
        *ret_bytes_max = bytes_max;
    }
    return count;
}

static enum step answer(struct call *c)
{
    const struct list_bookings *s = c->state;
    size_t bytes_max;
    uint32_t count = count_bookings(c, &bytes_max);
    if (s->count > 0 && count == 0)
        return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    uint8_t *end = (uint8_t *)arena_alloc(&c->arena, bytes_max) + bytes_max, *p = end;
    if (s->count > count || !s->is_all)
        p = pb_put_text(
            p, NEXT_PAGE_TOKEN,
            str_of(page_token_seal(c, row_of(s, count - 1)->booking_id.b, sizeof(struct uuid))));
    for (uint32_t i = count; i-- > 0;) {
        struct booking_view view = view_of(c, i);
        p = pb_put_around(booking_put(p, app_of(c), &view), BOOKINGS, p);
    }
    return call_reply_bytes(c, p, (size_t)(end - p));
}

static const struct step_def steps[] = {
    STEP(begin),
    STEP(read_parts),
    STEP(answer),
};

const struct rpc_handler booking_list_bookings = {
    .method = "ListBookings",
    RPC_STEPS(steps, struct list_bookings),
};
