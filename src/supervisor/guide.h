/* What `faregate dev` prints when it is ready: commands that work when pasted. dev calls it. */
#pragma once

#include <stdio.h>

#include "config.h"

void guide_print(FILE *out, const struct config *config, const char *certificate, const char *log);
