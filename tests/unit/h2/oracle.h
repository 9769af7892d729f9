/* A request said to nghttp2 with its own rules on, and to ours: what each makes of it. Used by
 * test_rules.c and, included, by fuzz_rules. */
#pragma once

#include "h2/internal.h"

#define REQUEST_FIELDS_MAX 24
#define REQUEST_DATA_MAX 3
/* Of a name and of a value: HPACK says it in one byte. */
#define REQUEST_TEXT_MAX 126

struct request {
    struct h2_header head[REQUEST_FIELDS_MAX], trailers[REQUEST_FIELDS_MAX];
    unsigned head_count, trailer_count, data_count;
    uint8_t data[REQUEST_DATA_MAX]; /* bytes of each */
    bool has_trailers, ends_with_head, ends_with_data, ends_with_trailers;
};

struct verdict {
    bool is_malformed;
    unsigned fields; /* that were handed on */
    unsigned blocks;
    unsigned data_bytes;
    bool ended;
};

/* Names of requests that a rule is about, and others. The seeds of fuzz_rules count on their order.
 */
#define ORACLE_NAMES 20
extern const struct str oracle_names[ORACLE_NAMES];

struct verdict oracle_theirs(const struct request *r);
struct verdict oracle_ours(const struct request *r);
bool oracle_agrees(const struct request *r);
