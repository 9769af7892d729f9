/* A cancellation row as a message: what both RPCs answer, made from what the statement read. */
#include "services/booking/cancellation.h"

#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

struct cancellation_view cancellation_view_of(struct uuid booking_id, struct uuid cancellation_id,
                                              const struct booking_cancellation_row *row)
{
    return (struct cancellation_view){
        .booking_id = booking_id,
        .cancellation_id = cancellation_id,
        .refund_id = row->has_refund_id ? row->refund_id : (struct uuid){{0}},
        .state = row->state,
        .currency = row->currency,
        .offer = row->offer,
        .refund_minor = row->refund_minor,
        .penalty_minor = row->penalty_minor,
        .expire_us = row->expire_time,
        .create_us = row->create_time,
        .lapsed = row->lapsed,
    };
}

/* Takes what it can of @left. */
static Faregate__V1__RefundLine *line(struct arena *arena, const struct cancellation_view *v,
                                      const char *tax_code, int64_t paid_minor, int64_t *left)
{
    Faregate__V1__RefundLine *m = arena_alloc(arena, sizeof *m);
    int64_t refund_minor = *left < paid_minor ? *left : paid_minor;
    *left -= refund_minor;
    faregate__v1__refund_line__init(m);
    m->kind =
        tax_code ? FAREGATE__V1__REFUND_LINE__KIND__TAX : FAREGATE__V1__REFUND_LINE__KIND__FARE;
    if (tax_code)
        m->code = arena_dup(arena, str_of(tax_code));
    m->paid = money_message(arena, paid_minor, v->currency);
    m->refund = money_message(arena, refund_minor, v->currency);
    return m;
}

/* A refund is first of the taxes that come back whatever the fare, then of the others, which come
 * back with it, and what a penalty is taken from, the fare, is the rest: so all of fare_refund's
 * answers come apart again. */
static void add_lines(const struct app *app, struct arena *arena, const struct cancellation_view *v,
                      Faregate__V1__Cancellation *m)
{
    struct offer *offer = arena_alloc(arena, sizeof *offer);
    int64_t left = v->refund_minor;
    if (v->refund_minor + v->penalty_minor == 0 || offer_open_sold(app, v->offer, offer) < 0)
        return;
    m->n_lines = 1u + offer->tax_count;
    m->lines = arena_array(arena, m->n_lines, sizeof *m->lines);
    for (int refundable = 1; refundable >= 0; refundable--)
        for (unsigned i = 0; i < offer->tax_count; i++) {
            const struct offer_tax *tax = &offer->taxes[i];
            if (tax->refundable == refundable)
                m->lines[1 + i] =
                    line(arena, v, tax->code, tax->unit_minor * offer_seats(offer), &left);
        }
    m->lines[0] = line(arena, v, NULL, offer->base_minor, &left);
}

Faregate__V1__Cancellation *cancellation_message(const struct app *app, struct arena *arena,
                                                 const struct cancellation_view *v)
{
    Faregate__V1__Cancellation *m = arena_alloc(arena, sizeof *m);
    faregate__v1__cancellation__init(m);
    const char *state = v->lapsed ? "EXPIRED" : v->state.p;
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(
        &faregate__v1__cancellation__state__descriptor, state);
    m->name =
        name_make_child(arena, "bookings", v->booking_id, "cancellations", v->cancellation_id);
    m->state = value ? (Faregate__V1__Cancellation__State)value->value
                     : FAREGATE__V1__CANCELLATION__STATE__STATE_UNSPECIFIED;
    add_lines(app, arena, v, m);
    m->refund = money_message(arena, v->refund_minor, v->currency);
    m->penalty = money_message(arena, v->penalty_minor, v->currency);
    m->destination = v->refund_minor > 0 ? FAREGATE__V1__CANCELLATION__REFUND_DESTINATION__ORIGINAL
                                         : FAREGATE__V1__CANCELLATION__REFUND_DESTINATION__NONE;
    m->expire_time = timestamp_of_us(arena, v->expire_us);
    m->create_time = timestamp_of_us(arena, v->create_us);
    if (!uuid_is_nil(v->refund_id))
        m->refund_resource =
            name_make_child(arena, "bookings", v->booking_id, "refunds", v->refund_id);
    m->etag = arena_dup(arena, str_of(state));
    return m;
}
