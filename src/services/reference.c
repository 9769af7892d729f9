/* The reference object: made from rows, looked up by code. reference_load.c reads the rows,
 * reference_places.c finds places. What must stay true: after reference_new returns nothing is
 * written to it. */
#include "services/reference.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "services/reference_internal.h"

#define BUDGET_BYTES (64u << 20)
#define CODES 26

struct reference *reference_free(struct reference *reference)
{
    while (reference) {
        struct reference *before = reference->before;
        arena_reset(&reference->arena);
        arena_pool_deinit(&reference->pool);
        free(reference);
        reference = before;
    }
    return NULL;
}

static int code_slot(struct str iata)
{
    int slot = 0;
    if (iata.n != 3)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        if (iata.p[i] < 'A' || iata.p[i] > 'Z')
            return -1;
        slot = slot * CODES + (iata.p[i] - 'A');
    }
    return slot;
}

int reference_airport_index(const struct reference *reference, struct str iata)
{
    int slot = code_slot(iata);
    return slot < 0 ? -1 : reference->airport_by_code[slot] - 1;
}

const struct reference_airport *reference_airport(const struct reference *reference,
                                                  struct str iata)
{
    int i = reference_airport_index(reference, iata);
    return i < 0 ? NULL : &reference->airports[i];
}

/* By the text that each element of a sorted array begins with a pointer to. */
static const void *find(const void *array, size_t count, size_t bytes, struct str key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const void *element = (const char *)array + middle * bytes;
        struct str text = str_of(*(char *const *)element);
        int order = memcmp(text.p, key.p, text.n < key.n ? text.n : key.n);
        if (order == 0 && text.n == key.n)
            return element;
        if (order < 0 || (order == 0 && text.n < key.n))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct reference_city *reference_city(const struct reference *reference, struct str iata)
{
    return find(reference->cities, reference->city_count, sizeof *reference->cities, iata);
}

const struct reference_airline *reference_airline(const struct reference *reference,
                                                  struct str iata)
{
    return find(reference->airlines, reference->airline_count, sizeof *reference->airlines, iata);
}

const struct reference_aircraft *reference_aircraft(const struct reference *reference,
                                                    struct str code)
{
    return find(reference->aircraft, reference->aircraft_count, sizeof *reference->aircraft, code);
}

uint32_t reference_tax_key(struct str country, struct str code)
{
    uint32_t key = 0;
    for (size_t i = 0; i < 4; i++) {
        struct str half = i < 2 ? country : code;
        key = key << 8 | (i % 2 < half.n ? (unsigned char)half.p[i % 2] : 0);
    }
    return key;
}

const struct reference_tax *reference_tax(const struct reference *reference, struct str country,
                                          struct str code)
{
    uint32_t key = reference_tax_key(country, code);
    for (uint16_t low = 0, high = reference->tax_count; low < high;) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (reference->taxes[middle].key == key)
            return &reference->taxes[middle];
        if (reference->taxes[middle].key < key)
            low = (uint16_t)(middle + 1);
        else
            high = middle;
    }
    return NULL;
}

uint16_t reference_brand_key(struct str code)
{
    uint64_t hash = str_hash(code);
    return (uint16_t)(hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48));
}

uint8_t reference_brand_of_key(const struct reference *reference, uint16_t key)
{
    for (uint16_t i = 0; i < reference->brand_count; i++)
        if (reference->brands[i].key == key)
            return (uint8_t)i;
    return REFERENCE_BRAND_NONE;
}

size_t reference_expand(const struct reference *reference, struct str iata,
                        uint16_t ret_airports[static REFERENCE_CITY_AIRPORTS_MAX])
{
    const struct reference_city *city = reference_city(reference, iata);
    if (city) {
        memcpy(ret_airports, city->airports, city->airport_count * sizeof city->airports[0]);
        return city->airport_count;
    }
    int i = reference_airport_index(reference, iata);
    if (i < 0)
        return 0;
    ret_airports[0] = (uint16_t)i;
    return 1;
}

static bool build_installation(struct reference_build *b)
{
    struct str key = b->source->installation.locator_key;
    if (key.n != LOCATOR_KEY_BYTES)
        return reference_refuse(b, "the installation has a locator key of %zu bytes", key.n);
    memcpy(b->made->locator_key, key.p, key.n);
    return true;
}

struct reference *reference_new(const struct reference_source *source, char *error,
                                size_t error_bytes)
{
    struct reference *reference = calloc(1, sizeof *reference);
    if (!reference) {
        snprintf(error, error_bytes, "out of memory");
        return NULL;
    }
    arena_pool_init(&reference->pool, 0);
    arena_init(&reference->arena, &reference->pool, BUDGET_BYTES);
    struct reference_build b = {
        .source = source, .made = reference, .error = error, .error_bytes = error_bytes};
    if (build_installation(&b) && reference_build_sale(&b) && reference_build_airports(&b) &&
        reference_build_routes(&b)) {
        reference_build_cities(&b);
        reference_build_words(&b);
        return reference;
    }
    return reference_free(reference);
}
