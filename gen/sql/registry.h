/* Made by sqlgen: every signed statement of the program, NULL at the end. Do not edit. */
#pragma once

#include "db/db.h"

extern const struct db_statement *const sql_statements[];
