/* sqlgen OUT_DIR FILE.sql...: makes typed C from signed SQL statements (the format is in
 * src/tools/README.md). The build runs it once over all .sql files; it writes
 * OUT_DIR/<prefix>.sql.{h,c} and OUT_DIR/registry.{h,c}. What must stay true: the same input gives
 * the same bytes, and a file that would not change is not touched. */
#include "sqlgen.h"

int main(int argc, char **argv)
{
    return sqlgen_run(argc, argv);
}
