/* `faregate describe`: what this binary would do, from the tables it runs on. main calls it. */
#pragma once

#include "config.h"

/* The exit status; what was asked for is on stdout. */
int about_run(struct config *config);
