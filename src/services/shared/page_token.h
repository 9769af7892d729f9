/* Page tokens: where a list goes on, sealed so that clients cannot make them up and bound to the
 * other arguments. List handlers call it. What must stay true: a token carries a position and never
 * a permission; the next request is checked as if it had no token. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grpc/grpc.h"

#define PAGE_POSITION_BYTES_MAX 256

/* Rows to answer: 0 is @standard, above @max is @max (AIP-158). Negative was refused by the field's
 * rules. */
uint32_t page_size(int32_t asked, uint32_t standard, uint32_t max);

/* The token for the page that starts after @position (the sort key of the last row sent); in the
 * arena. */
char *page_token_seal(struct call *c, const void *position, size_t bytes);

/* The position in @token, which must be exactly @bytes long. An empty token: true, *ret_found
 * false. False: the call has failed with PAGE_TOKEN_INVALID, return STEP_DONE. */
bool page_token_open(struct call *c, const char *token, size_t bytes, void *ret_position,
                     bool *ret_found);

/* The parts behind the two, for tests: @arguments is page_arguments of the request. */
char *page_token_make(struct arena *arena, const uint8_t key[static 32],
                      const uint8_t arguments[static 32], const void *position, size_t bytes);
int page_token_check(const uint8_t key[static 32], const uint8_t arguments[static 32],
                     struct str token, size_t bytes, void *ret_position);
/* Digest of the request without its page_size and page_token. */
void page_arguments(struct arena *arena, const ProtobufCMessage *request,
                    uint8_t ret_digest[static 32]);
