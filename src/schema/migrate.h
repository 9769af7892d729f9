/* Brings a database to this binary's schema: `faregate migrate`, and `faregate dev` at every start.
 */
#pragma once

#include <libpq-fe.h>
#include <stddef.h>
#include <stdio.h>

#include "schema/embedded.h"

/* A session for who works alone on the schema or the data, or proves them: of several hosts the one
 * that takes writes, and none may keep it waiting, unless @conninfo says otherwise. As PQconnectdb.
 */
PGconn *migrate_connect(const char *conninfo);

/* Applies what is missing, in order, each in a transaction of its own; several may run at once, one
 * works.
 * @out gets a line per step; NULL is quiet. 0, or a negative errno after one line on stderr:
 * -ENOTCONN no connection, -EBADMSG an applied migration's text has changed, -ENOENT the database
 * is newer than the binary, -EINVAL the database refused. */
int migrate_run(const char *conninfo, FILE *out);

/* The same with migrations of the caller's. */
int migrate_files(const char *conninfo, const struct embedded_file *files, size_t count, FILE *out);

/* Prints all of them, so that an administrator can read or apply them by hand. Negative when @out
 * fails. */
int migrate_print(FILE *out);
