/* A search as it was asked for: every field that the rules of the .proto cannot judge. */
#include "base/check.h"
#include "domain/zone.h"
#include "services/flight/internal.h"
#include "services/shared/page_token.h"

#define DAY_S INT64_C(86400)
#define DAY_MIN 1440

/* False, for the caller to return; the field's name is made only where it is told. */
static bool fail_slice(struct call *c, enum reason reason, unsigned i, const char *field,
                       const char *why, const char *more)
{
    call_fail_field(c, reason, arena_printf(&c->arena, "slices[%u].%s", i, field), "%s%s", why,
                    more);
    return false;
}

static bool take_place(struct call *c, struct search *s, unsigned i, const char *side,
                       const char *code, uint16_t *ret, size_t *ret_count)
{
    *ret_count = reference_expand(s->reference, str_of(code), ret);
    return *ret_count > 0 ||
           fail_slice(c, REASON_FIELD_INVALID, i, side, "is no airport or city that is served", "");
}

/* Today at the airport, from the zone's rules. */
static int32_t today_at(const struct call *c, const struct reference_airport *airport)
{
    int64_t utc_s = call_wall_ns(c) / NS_PER_S;
    return (int32_t)((utc_s + zone_offset_min(&airport->zone, utc_s) * INT64_C(60)) / DAY_S);
}

static bool take_date(struct call *c, struct search *s, unsigned i, const Google__Type__Date *date)
{
    struct search_slice *slice = &s->slices[i];
    const char *field = "departure_date";
    if (!date || !date_days(date->year, date->month, date->day, &slice->date_days))
        return fail_slice(c, REASON_FIELD_INVALID, i, field, "is no day of the calendar", "");
    const struct reference_airport *origin = &s->reference->airports[slice->origins[0]];
    if (slice->date_days < today_at(c, origin))
        return fail_slice(c, REASON_DATE_PAST, i, field, "has passed at ", origin->iata);
    /* Eastward over the date line one arrives the day before. */
    if (i > 0 && slice->date_days < s->slices[i - 1].date_days - 1)
        return fail_slice(c, REASON_FIELD_INVALID, i, field, "lies before the slice before it", "");
    return true;
}

static int16_t minute_of(const Google__Type__TimeOfDay *t, int16_t otherwise)
{
    int32_t minute = t ? t->hours * 60 + t->minutes : otherwise;
    return (int16_t)(minute < 0 ? 0 : minute >= DAY_MIN ? DAY_MIN - 1 : minute);
}

static struct time_window window_of(const Faregate__V1__TimeOfDayRange *range)
{
    if (!range)
        return TIME_WINDOW_ALL;
    return (struct time_window){.start_min = minute_of(range->start, 0),
                                .end_min = minute_of(range->end, DAY_MIN - 1)};
}

static bool overlap(const struct search_slice *slice)
{
    for (size_t i = 0; i < slice->origin_count; i++)
        for (size_t k = 0; k < slice->destination_count; k++)
            if (slice->origins[i] == slice->destinations[k])
                return true;
    return false;
}

static bool take_slice(struct call *c, struct search *s, unsigned i)
{
    const Faregate__V1__Slice *asked = s->req->slices[i];
    struct search_slice *slice = &s->slices[i];
    if (!take_place(c, s, i, "origin", asked->origin, slice->origins, &slice->origin_count) ||
        !take_place(c, s, i, "destination", asked->destination, slice->destinations,
                    &slice->destination_count))
        return false;
    if (overlap(slice))
        return fail_slice(c, REASON_FIELD_INVALID, i, "destination", "is where the slice starts",
                          "");
    slice->departure = window_of(asked->departure_window);
    slice->arrival = window_of(asked->arrival_window);
    return take_date(c, s, i, asked->departure_date);
}

static bool take_party(struct call *c, struct search *s)
{
    struct passenger_mix *p = &s->party;
    unsigned *const counts[FARE_TYPES] = {&p->adults, &p->children, &p->lap_infants,
                                          &p->seat_infants};
    for (size_t i = 0; i < s->req->n_passengers; i++) {
        const Faregate__V1__PassengerCount *count = s->req->passengers[i];
        int type = (int)count->type;
        if (type < PASSENGER_ADULT || type > PASSENGER_INFANT_IN_SEAT || count->count < 0 ||
            count->count > OFFER_PASSENGERS_MAX) {
            const char *field = arena_printf(&c->arena, "passengers[%zu]", i);
            call_fail_field(c, REASON_FIELD_INVALID, field,
                            "names no type or no number of passengers");
            return false;
        }
        *counts[type - 1] += (unsigned)count->count;
    }
    enum reason reason = passenger_mix_check(p);
    if (reason != REASON_NONE) {
        call_fail_field(
            c, reason, "passengers",
            "at most %d in seats, at least one adult, no more infants on laps than adults",
            SEATED_MAX);
        return false;
    }
    s->seats = (int32_t)(p->adults + p->children + p->seat_infants);
    return true;
}

static bool take_cabin(struct call *c, struct search *s)
{
    int cabin = s->req->cabin == 0 ? FAREGATE__V1__CABIN__ECONOMY : (int)s->req->cabin;
    if (cabin < 1 || cabin >= REFERENCE_CABINS) {
        call_fail_field(c, REASON_FIELD_INVALID, "cabin", "is no cabin");
        return false;
    }
    s->cabin = (uint8_t)cabin;
    for (uint16_t i = 0; i < s->reference->brand_count; i++) {
        if (s->reference->brands[i].cabin != cabin || s->brand_count == ITINERARY_BRANDS_MAX)
            continue;
        if (s->brand_count++ == 0)
            s->brand_first = (uint8_t)i;
    }
    return true;
}

static bool take_currency(struct call *c, struct search *s)
{
    struct str currency = str_of(s->req->currency_code);
    if (currency.n == 0)
        currency = fare_currency_of_country(
            str_of(s->reference->airports[s->slices[0].origins[0]].country));
    s->fx = fare_fx_find(currency);
    if (s->fx)
        return true;
    call_fail_field(c, REASON_FIELD_INVALID, "currency_code", "is no currency that is sold in");
    return false;
}

static bool take_filter(struct call *c, struct search *s)
{
    const char *why;
    if (filter_parse(str_of(s->req->filter), &s->filter, &why) < 0) {
        call_fail_field(c, REASON_FILTER_INVALID, "filter", "%s", why);
        return false;
    }
    if (order_parse(str_of(s->req->order_by), &s->order) < 0) {
        call_fail_field(c, REASON_FILTER_INVALID, "order_by",
                        "is price, duration or departure_time, perhaps with desc");
        return false;
    }
    return true;
}

bool search_take_request(struct call *c, struct search *s)
{
    s->req = call_request(c);
    s->reference = app_of(c)->reference;
    s->slice_count = (unsigned)s->req->n_slices;
    CHECK(s->slice_count >= 1);
    CHECK(s->slice_count <= ITINERARY_SLICES_MAX);
    for (unsigned i = 0; i < s->slice_count; i++)
        if (!take_slice(c, s, i))
            return false;
    return take_party(c, s) && take_cabin(c, s) && take_currency(c, s) && take_filter(c, s) &&
           page_token_open(c, s->req->page_token, sizeof s->after, &s->after, &s->goes_on);
}
