/* SQL types as the server numbers them (pg_type.dat; these never change).
 * plan.c compares with them, encode.c writes them into array headers. */
#include "base/check.h"
#include "db/internal.h"

static const struct {
    const char *name;
    Oid oid;
    Oid array_oid;
} types[] = {
    [DB_BOOL] = {"bool", 16, 1000},
    [DB_INT2] = {"int2", 21, 1005},
    [DB_INT4] = {"int4", 23, 1007},
    [DB_INT8] = {"int8", 20, 1016},
    [DB_FLOAT8] = {"float8", 701, 1022},
    [DB_TEXT] = {"text", 25, 1009},
    [DB_BYTEA] = {"bytea", 17, 1001},
    [DB_UUID] = {"uuid", 2950, 2951},
    [DB_TIMESTAMPTZ] = {"timestamptz", 1184, 1185},
    [DB_DATE] = {"date", 1082, 1182},
};

Oid db_type_oid(enum db_type type, bool is_array)
{
    CHECK(type <= DB_DATE);
    return is_array ? types[type].array_oid : types[type].oid;
}

const char *db_type_name(enum db_type type)
{
    return types[type].name;
}

/* char(n), varchar and text have the same bytes on the wire. */
bool db_type_matches(enum db_type type, Oid oid)
{
    return oid == types[type].oid || (type == DB_TEXT && (oid == 1042 || oid == 1043));
}
