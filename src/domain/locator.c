/* A Feistel network over two halves of 15 bits, written with thirty-two letters and digits that are
 * not taken for each other. See locator.h. */
#include "domain/locator.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>

#include "domain/prng.h"

#define LETTER_BITS 5
#define HALF_BITS 15
#define HALF ((UINT32_C(1) << HALF_BITS) - 1)
#define ROUNDS (LOCATOR_KEY_BYTES / sizeof(uint32_t)) /* each has its own part of the key */

static_assert(LOCATOR_COUNT == INT64_C(1) << 2 * HALF_BITS, "the halves are the whole");
static_assert(LOCATOR_LEN * LETTER_BITS == 2 * HALF_BITS, "the letters are the whole");

static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

static uint32_t mix(const uint8_t *key, size_t round, uint32_t half)
{
    uint32_t part; /* in one order on all machines: they share the key */
    memcpy(&part, key + round * sizeof part, sizeof part);
    return (uint32_t)prng_mix((uint64_t)be32toh(part) << HALF_BITS | half) & HALF;
}

/* Whatever mix does, the rounds in the opposite order lead @back. */
static uint32_t permute(const uint8_t *key, uint32_t bits, bool back)
{
    uint32_t left = bits >> HALF_BITS, right = bits & HALF;
    for (size_t i = 0; i < ROUNDS; i++) {
        uint32_t next = left ^ mix(key, back ? ROUNDS - 1 - i : i, right);
        left = right;
        right = next;
    }
    return right << HALF_BITS | left;
}

void locator_format(const uint8_t key[static LOCATOR_KEY_BYTES], int64_t serial,
                    char ret_text[static LOCATOR_LEN + 1])
{
    uint32_t bits = permute(key, (uint32_t)(serial & (LOCATOR_COUNT - 1)), false);
    for (size_t i = 0; i < LOCATOR_LEN; i++) {
        ret_text[i] = alphabet[bits % (1u << LETTER_BITS)];
        bits >>= LETTER_BITS;
    }
    ret_text[LOCATOR_LEN] = '\0';
}

int locator_parse(const uint8_t key[static LOCATOR_KEY_BYTES], struct str text, int64_t *ret_serial)
{
    uint32_t bits = 0;
    if (text.n != LOCATOR_LEN)
        return -EINVAL;
    for (size_t i = LOCATOR_LEN; i-- > 0;) {
        const char *letter = memchr(alphabet, text.p[i], sizeof alphabet - 1);
        if (!letter)
            return -EINVAL;
        bits = bits << LETTER_BITS | (uint32_t)(letter - alphabet);
    }
    *ret_serial = permute(key, bits, true);
    return 0;
}
