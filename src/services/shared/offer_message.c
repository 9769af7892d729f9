/* An offer as messages: prices, journeys, conditions. Search renders ten of them per call, so each
 * part is one piece of memory. What must stay true: the same offer renders to the same bytes, but
 * for what "now" decides (payment terms). */
#include "base/text.h"
#include "domain/money.h"
#include "services/reference.h"
#include "services/shared/local_time.h"
#include "services/shared/offer.h"

#define CONDITION_COUNT 4
#define CARRY_ON_KG 10
#define CHECKED_KG 23
#define CHECKED_PREMIUM_KG 32
#define CABIN_PREMIUM FAREGATE__V1__CABIN__BUSINESS

/* What the parts of one offer share. */
struct painter {
    const struct app *app;
    struct arena *arena;
    const struct offer *offer;
    char *currency;
};

static struct painter painter_of(const struct app *app, struct arena *arena,
                                 const struct offer *offer)
{
    return (struct painter){.app = app,
                            .arena = arena,
                            .offer = offer,
                            .currency = arena_dup(arena, str_of(offer->currency))};
}

static Google__Type__Money *paint_money(const struct painter *p, int64_t minor)
{
    Google__Type__Money *m = arena_alloc(p->arena, sizeof *m);
    google__type__money__init(m);
    m->currency_code = p->currency;
    money_to_units(str_of(p->currency), minor, &m->units, &m->nanos);
    return m;
}

/* ---- texts ---- */

void offer_fare_basis(char ret_text[static FARE_BASIS_BYTES], char booking_class, const char *brand,
                      const char *country)
{
    static const char *const families[][2] = {
        {"LIGHT", "LGT"}, {"STANDARD", "STD"}, {"FLEX", "FLX"}};
    const char *last = brand ? strrchr(brand, '_') : NULL;
    const char *rest = last ? last + 1 : brand ? brand : "";
    const char *family = "FAR";
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(rest, families[i][0]) == 0)
            family = families[i][1];
    ret_text[0] = booking_class;
    memcpy(ret_text + 1, family, 3);
    ret_text[4] = '0';
    memcpy(ret_text + 5, country, 2);
    ret_text[7] = '\0';
}

/* ---- segments and journeys ---- */

/* A segment with all that hangs on it. */
struct segment_piece {
    Faregate__V1__Segment segment;
    Faregate__V1__LocalTime local_departure, local_arrival;
    Google__Protobuf__Timestamp departure, arrival;
    Google__Protobuf__Duration duration;
    char flight[sizeof "flights/" + UUID_TEXT_LEN];
    char flight_number[9];
    char departure_text[LOCAL_TEXT_BYTES], arrival_text[LOCAL_TEXT_BYTES];
    char fare_basis[FARE_BASIS_BYTES];
    char booking_class[2];
    char carrier[3], origin[4], destination[4], aircraft[4];
};

/* NULL: a brand that is no longer known. */
static char *brand_code(const struct painter *p)
{
    const struct reference *r = p->app->reference;
    return p->offer->brand < r->brand_count ? r->brands[p->offer->brand].code : NULL;
}

static void paint_times(const struct painter *p, const struct offer_segment *s,
                        struct segment_piece *m)
{
    const struct reference_airport *origin =
        reference_airport(p->app->reference, str_of(s->origin));
    const struct reference_airport *destination =
        reference_airport(p->app->reference, str_of(s->destination));
    google__protobuf__timestamp__init(&m->departure);
    google__protobuf__timestamp__init(&m->arrival);
    google__protobuf__duration__init(&m->duration);
    faregate__v1__local_time__init(&m->local_departure);
    faregate__v1__local_time__init(&m->local_arrival);
    m->departure.seconds = s->departure_s;
    m->arrival.seconds = s->arrival_s;
    m->duration.seconds = s->arrival_s - s->departure_s;
    local_time_text(s->departure_s + s->departure_offset_min * 60, m->departure_text);
    local_time_text(s->arrival_s + s->arrival_offset_min * 60, m->arrival_text);
    m->local_departure.date_time = m->departure_text;
    m->local_departure.utc_offset_minutes = s->departure_offset_min;
    m->local_arrival.date_time = m->arrival_text;
    m->local_arrival.utc_offset_minutes = s->arrival_offset_min;
    if (origin)
        m->local_departure.time_zone = origin->zone_name;
    if (destination)
        m->local_arrival.time_zone = destination->zone_name;
    offer_fare_basis(m->fare_basis, s->booking_class, brand_code(p),
                     origin ? origin->country : "ZZ");
}

static Faregate__V1__Segment *paint_segment(const struct painter *p, const struct offer_segment *s)
{
    struct segment_piece *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__segment__init(&m->segment);
    paint_times(p, s, m);
    memcpy(m->flight, "flights/", sizeof "flights/" - 1);
    uuid_format(s->flight_id, m->flight + sizeof "flights/" - 1);
    memcpy(m->carrier, s->carrier, sizeof m->carrier);
    memcpy(m->origin, s->origin, sizeof m->origin);
    memcpy(m->destination, s->destination, sizeof m->destination);
    memcpy(m->aircraft, s->aircraft, sizeof m->aircraft);
    memcpy(m->flight_number, s->carrier, 2);
    text_decimal(m->flight_number + 2, s->number);
    m->booking_class[0] = s->booking_class;
    m->segment.flight = m->flight;
    m->segment.marketing_carrier = m->carrier;
    m->segment.operating_carrier = m->carrier;
    m->segment.flight_number = m->flight_number;
    m->segment.origin = m->origin;
    m->segment.destination = m->destination;
    m->segment.cabin = (Faregate__V1__Cabin)p->offer->cabin;
    m->segment.booking_class = m->booking_class;
    m->segment.fare_basis = m->fare_basis;
    m->segment.departure_time = &m->departure;
    m->segment.arrival_time = &m->arrival;
    m->segment.local_departure = &m->local_departure;
    m->segment.local_arrival = &m->local_arrival;
    m->segment.duration = &m->duration;
    m->segment.aircraft = m->aircraft;
    return &m->segment;
}

static Faregate__V1__FareCondition *condition(const struct painter *p,
                                              Faregate__V1__FareCondition__Kind kind,
                                              Faregate__V1__FareCondition__Permission permission,
                                              int64_t penalty_minor)
{
    Faregate__V1__FareCondition *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__fare_condition__init(m);
    m->kind = kind;
    m->permission = permission;
    if (penalty_minor > 0)
        m->penalty = paint_money(p, penalty_minor);
    return m;
}

/* Penalties are those of one adult, who pays @fare_minor; rounded as a refund is, for they are to
 * be what is kept. */
static Faregate__V1__FareCondition **paint_conditions(const struct painter *p, int64_t fare_minor)
{
    const struct fare_terms *t = &p->offer->terms;
    const int exponent = money_exponent(str_of(p->currency));
    Faregate__V1__FareCondition **list = arena_array(p->arena, CONDITION_COUNT, sizeof(void *));
    const Faregate__V1__FareCondition__Permission yes =
        FAREGATE__V1__FARE_CONDITION__PERMISSION__ALLOWED;
    const Faregate__V1__FareCondition__Permission no =
        FAREGATE__V1__FARE_CONDITION__PERMISSION__NOT_ALLOWED;
    list[0] = condition(
        p, FAREGATE__V1__FARE_CONDITION__KIND__REFUND_BEFORE_DEPARTURE, t->refundable ? yes : no,
        t->refundable ? fare_penalty(fare_minor, t->refund_penalty_permille, exponent) : 0);
    list[1] = condition(
        p, FAREGATE__V1__FARE_CONDITION__KIND__CHANGE_BEFORE_DEPARTURE, t->changeable ? yes : no,
        t->changeable ? fare_penalty(fare_minor, t->change_penalty_permille, exponent) : 0);
    /* Brands say nothing about no-shows: not known, unless nothing comes back in the first place.
     */
    list[2] = condition(
        p, FAREGATE__V1__FARE_CONDITION__KIND__REFUND_AFTER_DEPARTURE,
        t->refundable ? FAREGATE__V1__FARE_CONDITION__PERMISSION__PERMISSION_UNSPECIFIED : no, 0);
    list[3] = condition(p, FAREGATE__V1__FARE_CONDITION__KIND__SEAT_SELECTION, yes, 0);
    return list;
}

static Faregate__V1__Journey *paint_journey(const struct painter *p, const struct offer_segment *s,
                                            size_t count)
{
    struct {
        Faregate__V1__Journey journey;
        Google__Protobuf__Duration duration;
        Faregate__V1__Segment *segments[OFFER_SEGMENTS_MAX];
    } *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__journey__init(&m->journey);
    google__protobuf__duration__init(&m->duration);
    int64_t fare_minor = 0;
    for (size_t i = 0; i < count; i++) {
        m->segments[i] = paint_segment(p, &s[i]);
        fare_minor += s[i].fare_minor;
    }
    const struct offer_segment *last = &s[count - 1];
    m->journey.segments = m->segments;
    m->journey.n_segments = count;
    m->duration.seconds = last->arrival_s - s->departure_s;
    m->journey.duration = &m->duration;
    if (brand_code(p))
        m->journey.fare_brand = brand_code(p);
    m->journey.conditions = paint_conditions(p, fare_minor);
    m->journey.n_conditions = CONDITION_COUNT;
    m->journey.arrival_day_offset = local_day(last->arrival_s + last->arrival_offset_min * 60) -
                                    local_day(s->departure_s + s->departure_offset_min * 60);
    return &m->journey;
}

static Faregate__V1__Journey **paint_journeys(const struct painter *p, size_t *ret_count)
{
    const struct offer *o = p->offer;
    Faregate__V1__Journey **list = arena_array(p->arena, o->segment_count, sizeof *list);
    *ret_count = 0;
    for (size_t i = 0, end; i < o->segment_count; i = end) {
        for (end = i + 1; end < o->segment_count && o->segments[end].slice == o->segments[i].slice;)
            end++;
        list[(*ret_count)++] = paint_journey(p, &o->segments[i], end - i);
    }
    return list;
}

Faregate__V1__Journey **offer_journeys(const struct app *app, struct arena *arena,
                                       const struct offer *o, size_t *ret_count)
{
    const struct painter p = painter_of(app, arena, o);
    return paint_journeys(&p, ret_count);
}

/* ---- price ---- */

static void paint_taxes(const struct painter *p, Faregate__V1__PriceBreakdown *m)
{
    const struct offer *o = p->offer;
    m->taxes = arena_array(p->arena, o->tax_count + 1u, sizeof *m->taxes);
    for (uint8_t i = 0; i < o->tax_count; i++) {
        const struct offer_tax *t = &o->taxes[i];
        const struct reference_tax *known =
            reference_tax(p->app->reference, str_of(t->country), str_of(t->code));
        Faregate__V1__Tax *tax = arena_alloc(p->arena, sizeof *tax);
        faregate__v1__tax__init(tax);
        tax->code = known ? known->code : arena_dup(p->arena, str_of(t->code));
        if (t->country[0] != '*')
            tax->region_code = known ? known->country : arena_dup(p->arena, str_of(t->country));
        if (known)
            tax->display_name = known->name;
        tax->refundable = t->refundable;
        tax->amount = paint_money(p, t->unit_minor * offer_seats(o));
        m->taxes[m->n_taxes++] = tax;
    }
}

static void paint_passenger_prices(const struct painter *p, Faregate__V1__PriceBreakdown *m)
{
    const struct offer *o = p->offer;
    int64_t seat_tax = offer_seats(o) > 0 ? o->tax_minor / offer_seats(o) : 0;
    m->per_passenger = arena_array(p->arena, FARE_TYPES, sizeof *m->per_passenger);
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++) {
        if (offer_count_of(o, type) == 0)
            continue;
        int64_t tax = type == PASSENGER_INFANT_ON_LAP ? 0 : seat_tax;
        Faregate__V1__PassengerPrice *one = arena_alloc(p->arena, sizeof *one);
        faregate__v1__passenger_price__init(one);
        one->type = (Faregate__V1__PassengerType)type;
        one->count = (int32_t)offer_count_of(o, type);
        one->base_fare = paint_money(p, o->unit_minor[type - 1]);
        one->taxes = paint_money(p, tax);
        one->fees = paint_money(p, 0);
        one->total = paint_money(p, o->unit_minor[type - 1] + tax);
        m->per_passenger[m->n_per_passenger++] = one;
    }
}

static Google__Protobuf__Timestamp *paint_instant(const struct painter *p, int64_t s)
{
    Google__Protobuf__Timestamp *t = arena_alloc(p->arena, sizeof *t);
    google__protobuf__timestamp__init(t);
    t->seconds = s;
    return t;
}

/* Millionths as a decimal number without idle zeros. */
static char *rate_text(struct arena *arena, int64_t rate_micro)
{
    char *text = arena_printf(arena, "%lld.%06lld", (long long)(rate_micro / 1000000),
                              (long long)(rate_micro % 1000000));
    size_t n = strlen(text);
    while (text[n - 1] == '0')
        text[--n] = '\0';
    if (text[n - 1] == '.')
        text[--n] = '\0';
    return text;
}

static Faregate__V1__FxRate *paint_fx(const struct painter *p)
{
    Faregate__V1__FxRate *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__fx_rate__init(m);
    m->source_currency_code = arena_dup(p->arena, STR(FARE_FILED_CURRENCY));
    m->target_currency_code = p->currency;
    m->rate = rate_text(p->arena, p->offer->fx_rate_micro);
    m->quote_time = paint_instant(p, p->offer->fx_quote_s);
    return m;
}

static Faregate__V1__PriceBreakdown *paint_price(const struct painter *p)
{
    Faregate__V1__PriceBreakdown *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__price_breakdown__init(m);
    m->base_fare = paint_money(p, p->offer->base_minor);
    m->total = paint_money(p, p->offer->total_minor);
    paint_taxes(p, m);
    paint_passenger_prices(p, m);
    if (p->offer->fx_rate_micro)
        m->fx = paint_fx(p);
    return m;
}

Faregate__V1__PriceBreakdown *offer_price(const struct app *app, struct arena *arena,
                                          const struct offer *offer)
{
    const struct painter p = painter_of(app, arena, offer);
    return paint_price(&p);
}

/* ---- the whole ---- */

Faregate__V1__BaggageAllowance **offer_allowances(struct arena *arena, const struct offer *o,
                                                  size_t *ret_count)
{
    Faregate__V1__BaggageAllowance **list =
        arena_array(arena, (size_t)FARE_TYPES * 2, sizeof *list);
    *ret_count = 0;
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++) {
        if (offer_count_of(o, type) == 0)
            continue;
        bool seated = type != PASSENGER_INFANT_ON_LAP;
        for (int kind = FAREGATE__V1__BAGGAGE_ALLOWANCE__KIND__CARRY_ON;
             kind <= FAREGATE__V1__BAGGAGE_ALLOWANCE__KIND__CHECKED; kind++) {
            bool checked = kind == FAREGATE__V1__BAGGAGE_ALLOWANCE__KIND__CHECKED;
            Faregate__V1__BaggageAllowance *m = arena_alloc(arena, sizeof *m);
            faregate__v1__baggage_allowance__init(m);
            m->passenger_type = (Faregate__V1__PassengerType)type;
            m->kind = (Faregate__V1__BaggageAllowance__Kind)kind;
            m->quantity = !seated ? 0 : checked ? o->terms.checked_bags : o->terms.cabin_bags;
            m->weight_kg_max = m->quantity == 0            ? 0
                               : !checked                  ? CARRY_ON_KG
                               : o->cabin >= CABIN_PREMIUM ? CHECKED_PREMIUM_KG
                                                           : CHECKED_KG;
            list[(*ret_count)++] = m;
        }
    }
    return list;
}

/* Grams for a seat and kilometre: a seat of a wider cabin takes the place of several. */
static int32_t emissions_kg(const struct offer *o)
{
    static const int64_t grams_of[REFERENCE_CABINS] = {95, 95, 150, 265, 380};
    int64_t km = 0;
    for (uint8_t i = 0; i < o->segment_count; i++)
        km += o->segments[i].distance_km;
    return (int32_t)(km * grams_of[o->cabin < REFERENCE_CABINS ? o->cabin : 0] * offer_seats(o) /
                     1000);
}

static Faregate__V1__PaymentTerms *paint_terms(const struct painter *p)
{
    Faregate__V1__PaymentTerms *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__payment_terms__init(m);
    int64_t until_s = offer_hold_until_s(p->app, p->offer);
    m->hold_allowed = until_s > 0;
    if (m->hold_allowed) {
        if (p->offer->close_s < until_s)
            until_s = p->offer->close_s;
        m->payment_required_time = paint_instant(p, until_s);
        m->price_guarantee_expire_time = m->payment_required_time;
    }
    return m;
}

static void paint_party(const struct painter *p, Faregate__V1__Offer *m)
{
    m->passengers = arena_array(p->arena, FARE_TYPES, sizeof *m->passengers);
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++) {
        if (offer_count_of(p->offer, type) == 0)
            continue;
        Faregate__V1__PassengerCount *count = arena_alloc(p->arena, sizeof *count);
        faregate__v1__passenger_count__init(count);
        count->type = (Faregate__V1__PassengerType)type;
        count->count = (int32_t)offer_count_of(p->offer, type);
        m->passengers[m->n_passengers++] = count;
    }
}

static Faregate__V1__Offer *paint_offer(const struct painter *p, struct str name)
{
    const struct offer *o = p->offer;
    Faregate__V1__Offer *m = arena_alloc(p->arena, sizeof *m);
    faregate__v1__offer__init(m);
    m->name = arena_dup(p->arena, name);
    m->journeys = paint_journeys(p, &m->n_journeys);
    m->price = paint_price(p);
    m->bookable_seats = offer_seats_shown(o);
    m->expire_time = paint_instant(p, o->expire_s);
    return m;
}

Faregate__V1__Offer *offer_message(const struct app *app, struct arena *arena,
                                   const struct offer *o, struct str name)
{
    const struct painter p = painter_of(app, arena, o);
    Faregate__V1__Offer *m = paint_offer(&p, name);
    m->conditions = paint_conditions(&p, o->unit_minor[PASSENGER_ADULT - 1]);
    m->n_conditions = CONDITION_COUNT;
    m->allowances = offer_allowances(arena, o, &m->n_allowances);
    m->payment_terms = paint_terms(&p);
    m->emissions_kg = emissions_kg(o);
    paint_party(&p, m);
    return m;
}
