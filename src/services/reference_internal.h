/* Between the files of the reference object: its making, part by part. */
#pragma once

#include "services/reference.h"

struct reference_build {
    const struct reference_source *source;
    struct reference *made;
    struct reference_airport *airports; /* made->airports while they may still be written */
    char *error;
    size_t error_bytes;
};

/* False: the rows make no sense, *error says why. In this order. */
bool reference_build_sale(
    struct reference_build *b); /* airlines, aircraft, brands, buckets, taxes */
bool reference_build_airports(struct reference_build *b);
bool reference_build_routes(struct reference_build *b);
void reference_build_cities(struct reference_build *b);
void reference_build_words(struct reference_build *b); /* reference_places.c */

bool reference_refuse(struct reference_build *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

uint32_t reference_tax_key(struct str country, struct str code);
