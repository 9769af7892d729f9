/* The header blocks of nearly every answer, encoded once; call_send.c fills and sends them. */
#pragma once

#include "base/reason.h"
#include "h2/h2.h"

struct call_impl;

/* Without the fields on encodings, with the first, with both. */
#define ANSWER_HEADS 3

/* All of a refusal that says what its reason says and no more. Empty: not refused so yet. */
struct refusal_block {
    struct h2_block block;
    bool has_pushback;
    int32_t pushback_ms;
};

struct answer_blocks {
    struct h2_block plain[ANSWER_HEADS];
    struct h2_block proto[ANSWER_HEADS]; /* to who says application/grpc+proto */
    struct h2_block ok;                  /* the trailers */
    struct refusal_block refused[REASON_COUNT];
};

void answer_blocks_init(struct answer_blocks *blocks);
void answer_blocks_deinit(struct answer_blocks *blocks);

/* status.c: the call fails with the same status as every other that fails for its reason, but for
 * when it may come back. */
bool status_is_plain(const struct call_impl *ci);
