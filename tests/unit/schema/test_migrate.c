/* Migrations against a real PostgreSQL: order, repetition, refusal, and several at once. */
#include "schema/migrate.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cluster.h"
#include "support/test.h"

#define SQL(name_, text)                                                                           \
    {                                                                                              \
        .name = name_, .data = text, .size = sizeof(text) - 1                                      \
    }

static const struct embedded_file two[] = {
    SQL("0001_first.sql", "CREATE TABLE a (x int4); INSERT INTO a VALUES (1);"),
    SQL("0002_second.sql", "ALTER TABLE a ADD y int4; UPDATE a SET y = x + 1;"),
    SQL("notes.txt", "this is no SQL"),
};

/* Expected refusals print a line each; it is not for whoever reads the test's output. */
static int quietly(const char *conninfo, const struct embedded_file *files, size_t count)
{
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    FILE *null = fopen("/dev/null", "we");
    dup2(fileno(null), STDERR_FILENO);
    int r = migrate_files(conninfo, files, count, NULL);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(null);
    return r;
}

TEST(migrate, applies_each_once_in_order)
{
    const char *db = test_database("once");
    ASSERT_INT_EQ(migrate_files(db, two, 1, NULL), 0);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM schema_migration"), "1");
    ASSERT_INT_EQ(migrate_files(db, two, 3, NULL), 0);
    ASSERT_INT_EQ(migrate_files(db, two, 3, NULL), 0);
    ASSERT_STR_EQ(test_sql(db, "SELECT string_agg(version || name, ',') FROM schema_migration"),
                  "10001_first.sql,20002_second.sql");
    ASSERT_STR_EQ(test_sql(db, "SELECT sum(y) FROM a"), "2");
}

TEST(migrate, refuses_an_applied_one_that_has_changed)
{
    static const struct embedded_file changed[] = {
        SQL("0001_first.sql", "CREATE TABLE a (x int8);")};
    const char *db = test_database("changed");
    ASSERT_INT_EQ(migrate_files(db, two, 2, NULL), 0);
    ASSERT_INT_EQ(quietly(db, changed, 1), -ENOENT); /* and version 2 is unknown to it */
    ASSERT_INT_EQ(migrate_files(test_database("changed"), two, 1, NULL), 0);
    ASSERT_INT_EQ(quietly(db, changed, 1), -EBADMSG);
    ASSERT_STR_EQ(test_sql(db, "SELECT pg_typeof(x) FROM a"), "integer");
}

TEST(migrate, leaves_nothing_of_one_that_fails)
{
    static const struct embedded_file broken[] = {
        SQL("0001_first.sql", "CREATE TABLE a (x int4);"),
        SQL("0002_broken.sql", "CREATE TABLE b (x int4); SELECT 1/0;"),
    };
    const char *db = test_database("broken");
    ASSERT_INT_EQ(quietly(db, broken, 2), -EINVAL);
    ASSERT_STR_EQ(test_sql(db, "SELECT max(version) FROM schema_migration"), "1");
    ASSERT_STR_EQ(test_sql(db, "SELECT 1 FROM b"), "error: 42P01");
    ASSERT_INT_EQ(quietly(db, two, 1), -EBADMSG); /* another text for 0001 */
}

TEST(migrate, tells_when_there_is_no_server)
{
    ASSERT_INT_EQ(quietly("host=/nowhere dbname=x", two, 2), -ENOTCONN);
}

TEST(migrate, may_run_several_times_at_once)
{
    const char *db = test_database("crowd");
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(migrate_files(db, two, 2, NULL) == 0 ? 0 : 1);
    }
    for (int i = 0; i < 4; i++) {
        int status;
        waitpid(pids[i], &status, 0);
        ASSERT_INT_EQ(status, 0);
    }
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM a"), "1");
}

TEST(migrate, brings_an_empty_database_to_this_schema)
{
    const char *db = test_database("whole");
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM inventory"), "0");
}

TEST(migrate, prints_all_of_them)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ASSERT_INT_EQ(migrate_print(out), 0);
    fclose(out);
    ASSERT_HAS(text, "-- 0001_reference.sql\n");
    ASSERT_HAS(text, "CREATE TABLE inventory (");
    free(text);
}

TEST(embedded, finds_files_by_name)
{
    const struct embedded_file *f = embedded_find("airport.tsv");
    ASSERT_NOT_NULL(f);
    ASSERT_INT_EQ(strncmp(f->data, "iata\ticao\t", 10), 0);
    ASSERT_INT_EQ(f->data[f->size], 0);
    ASSERT_INT_EQ(f->data[f->size - 1], '\n');
    ASSERT_NULL(embedded_find("nothing.tsv"));
}

static const char *setting(PGconn *conn, const char *keyword)
{
    static char value[32];
    PQconninfoOption *options = PQconninfo(conn);
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            snprintf(value, sizeof value, "%s", o->val ? o->val : "");
    PQconninfoFree(options);
    PQfinish(conn);
    return value;
}

TEST(migrate, waits_for_no_silent_host)
{
    char own[300];
    const char *db = test_database("patience");
    ASSERT_STR_EQ(setting(migrate_connect(db), "connect_timeout"), "10");
    ASSERT_STR_EQ(setting(migrate_connect(db), "target_session_attrs"), "read-write");
    snprintf(own, sizeof own, "%s connect_timeout=3", db);
    ASSERT_STR_EQ(setting(migrate_connect(own), "connect_timeout"), "3");
}
