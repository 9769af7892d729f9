/* UUIDs: RFC 9562 version 7 for what the server makes (time-ordered, so B-trees stay warm). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

struct uuid {
    uint8_t b[16];
};

#define UUID_TEXT_LEN 36

/* Random bits come from the kernel in blocks (getrandom), kept per thread. */
struct uuid uuid_v7(const struct clock *clock);

/* Any version, either case, with hyphens; -EINVAL otherwise. */
int uuid_parse(struct str text, struct uuid *ret_uuid);

/* Lower case; writes UUID_TEXT_LEN bytes and a NUL. */
void uuid_format(struct uuid u, char ret_text[static UUID_TEXT_LEN + 1]);

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool uuid_is_nil(struct uuid u)
{
    return uuid_eq(u, (struct uuid){0});
}

/* Fills @bytes random bytes fit for secrets (getrandom). */
void random_bytes(void *buf, size_t bytes);

/* Random bytes for identifiers that are no secrets (UUIDs, span ids): from a block per thread. */
void random_id(void *buf, size_t bytes);
