/* Thirty-two letters and digits that are not taken for each other. See locator.h. */
#include "domain/locator.h"

void locator_format(uint32_t random, char ret_text[static LOCATOR_LEN + 1])
{
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    for (unsigned i = 0; i < LOCATOR_LEN; i++) {
        ret_text[i] = alphabet[random & 31];
        random >>= 5;
    }
    ret_text[LOCATOR_LEN] = '\0';
}
