/* One line on stderr for whoever runs the server. */
#pragma once

/* "faregate: ...\n", written at once or not at all: nobody waits for a reader of stderr who has
 * stopped reading. Longer than a kilobyte it is cut. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
