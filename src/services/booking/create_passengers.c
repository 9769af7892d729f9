/* The passengers of a request against what the offer was priced for. CreateBooking calls it.
 * What must stay true: every refusal names the field. */
#include "domain/passengers.h"
#include "google/type/date.pb-c.h"
#include "services/booking/internal.h"
#include "services/shared/local_time.h"

static bool refuse(struct call *c, enum reason reason, size_t i, const char *field, const char *why)
{
    call_fail_field(c, reason, arena_printf(&c->arena, "passengers[%zu].%s", i, field), "%s", why);
    return false;
}

static bool check_age(struct call *c, const Faregate__V1__Passenger *p, size_t i, int32_t today,
                      int32_t last_day)
{
    int32_t birth;
    if (!p->birth_date ||
        !date_days(p->birth_date->year, p->birth_date->month, p->birth_date->day, &birth))
        return refuse(c, REASON_FIELD_INVALID, i, "birth_date", "must be a date of 1900 or later");
    /* East of here it is tomorrow already. */
    if (birth > today + 1 || age_on(birth, today) > 125)
        return refuse(c, REASON_FIELD_INVALID, i, "birth_date",
                      "is not the birth date of a living person");
    if (!passenger_type_fits((enum passenger_type)p->type, birth, last_day))
        return refuse(c, REASON_PASSENGER_MISMATCH, i, "birth_date",
                      "does not fit the passenger's type on the day of the last departure");
    return true;
}

static bool check_document(struct call *c, const Faregate__V1__TravelDocument *document, size_t i,
                           int32_t arrival_day)
{
    int32_t expire;
    if (!document)
        return true;
    const Google__Type__Date *d = document->expire_date;
    if (d && d->year == 9999) /* as identity cards say that do not expire */
        return true;
    if (!d || !date_days(d->year, d->month, d->day, &expire))
        return refuse(c, REASON_FIELD_INVALID, i, "document.expire_date", "is no date");
    if (expire < arrival_day)
        return refuse(c, REASON_FIELD_INVALID, i, "document.expire_date",
                      "is before the day of the last arrival");
    return true;
}

/* One lap infant to an adult, and to an adult who is there. */
static bool check_lap(struct call *c, const Faregate__V1__CreateBookingRequest *req, size_t i,
                      uint32_t *taken)
{
    int32_t adult = req->passengers[i]->adult_index;
    if ((size_t)adult >= req->n_passengers ||
        req->passengers[adult]->type != FAREGATE__V1__PASSENGER_TYPE__ADULT)
        return refuse(c, REASON_PASSENGER_MISMATCH, i, "adult_index",
                      "is not an adult of this booking");
    if (*taken & (1u << adult))
        return refuse(c, REASON_PASSENGER_MISMATCH, i, "adult_index", "already holds an infant");
    *taken |= 1u << adult;
    return true;
}

bool booking_check_passengers(struct call *c, const Faregate__V1__CreateBookingRequest *req,
                              const struct offer *offer)
{
    const struct offer_segment *last = &offer->segments[offer->segment_count - 1];
    int32_t last_day = local_day(last->departure_s + last->departure_offset_min * 60);
    int32_t arrival_day = local_day(last->arrival_s + last->arrival_offset_min * 60);
    int32_t today = local_day(call_wall_ns(c) / NS_PER_S);
    unsigned counts[5] = {0};
    uint32_t laps = 0;
    for (size_t i = 0; i < req->n_passengers; i++) {
        const Faregate__V1__Passenger *p = req->passengers[i];
        counts[p->type]++;
        if (!check_age(c, p, i, today, last_day) || !check_document(c, p->document, i, arrival_day))
            return false;
        if (p->type == FAREGATE__V1__PASSENGER_TYPE__INFANT_ON_LAP && !check_lap(c, req, i, &laps))
            return false;
    }
    if (req->passengers[0]->email[0] == '\0')
        return refuse(c, REASON_FIELD_INVALID, 0, "email", "is needed for the first passenger");
    if (counts[1] != offer->adults || counts[2] != offer->children ||
        counts[3] != offer->lap_infants || counts[4] != offer->seat_infants) {
        call_fail_field(c, REASON_PASSENGER_MISMATCH, "passengers",
                        "must be %u adults, %u children, %u infants on a lap and %u in a seat, as "
                        "the offer is priced",
                        offer->adults, offer->children, offer->lap_infants, offer->seat_infants);
        return false;
    }
    return true;
}
