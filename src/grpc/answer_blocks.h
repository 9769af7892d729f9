/* The header blocks of nearly every answer, encoded once; call_send.c fills and sends them. */
#pragma once

#include "h2/h2.h"

/* Without the fields on encodings, with the first, with both. */
#define ANSWER_HEADS 3

struct answer_blocks {
    struct h2_block plain[ANSWER_HEADS];
    struct h2_block proto[ANSWER_HEADS]; /* to who says application/grpc+proto */
    struct h2_block ok;                  /* the trailers */
};

void answer_blocks_init(struct answer_blocks *blocks);
void answer_blocks_deinit(struct answer_blocks *blocks);
