/* `faregate check`: proves the invariants on a database. main and the tests call it.
 * What must stay true: a check that cannot be run is not passed. */
#pragma once

#include <stdbool.h>

/* Of several hosts it looks at the one that takes writes, unless @conninfo says otherwise (a
 * standby alone needs target_session_attrs=any), and says which. Prints a report: a table on a
 * terminal, JSON with @json or in a pipe. Exit status: 0 clean, 1 an invariant is broken, 2 could
 * not look. */
int check_run(const char *conninfo, bool json);
