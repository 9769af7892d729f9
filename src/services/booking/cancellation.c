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
        .refund_minor = row->refund_minor,
        .penalty_minor = row->penalty_minor,
        .expire_us = row->expire_time,
        .create_us = row->create_time,
        .lapsed = row->lapsed,
    };
}

Faregate__V1__Cancellation *cancellation_message(struct arena *arena,
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
