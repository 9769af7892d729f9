/* sqlgen: what it makes of a good file (compared with the committed statements of tests/unit/db),
 * and that every mistake is refused with file and line. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"
#include "tools/sqlgen.h"

static char dir[] = "/tmp/fg-test-sqlgen-XXXXXX";
static char output[4096];

static const char *in_dir(const char *name)
{
    static char path[2][300];
    static unsigned turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static char *slurp(const char *path)
{
    static char content[2][1 << 17];
    static unsigned turn;
    turn ^= 1;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(content[turn], 1, sizeof content[turn] - 1, f) : 0;
    content[turn][n] = '\0';
    if (f)
        fclose(f);
    return content[turn];
}

static void begin(void)
{
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    ASSERT_NOT_NULL(mkdtemp(dir));
}

static void end(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    ASSERT_INT_EQ(system(command), 0);
}

static void write_sql(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "wb");
    fputs(text, f);
    fclose(f);
}

/* In a child, since sqlgen ends the program at the first mistake. Its exit status; stderr in
 * output. */
static int sqlgen(const char *a, const char *b)
{
    char name[] = "sqlgen", first[400], second[400] = "";
    int fds[2], status;
    snprintf(first, sizeof first, "%s", a);
    if (b)
        snprintf(second, sizeof second, "%s", b);
    ASSERT_INT_EQ(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {name, dir, first, b ? second : NULL, NULL};
        dup2(fds[1], STDERR_FILENO);
        _exit(sqlgen_run(b ? 4 : 3, argv));
    }
    close(fds[1]);
    size_t n = 0;
    for (ssize_t r; (r = read(fds[0], output + n, sizeof output - 1 - n)) > 0;)
        n += (size_t)r;
    output[n] = '\0';
    close(fds[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void refused(const char *sql, const char *where_and_why)
{
    begin();
    write_sql("x.sql", sql);
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), NULL), 1);
    ASSERT_HAS(output, where_and_why);
    ASSERT_INT_NE(access(in_dir("x.sql.h"), F_OK), 0);
    end();
}

TEST(sqlgen, makes_the_committed_statements_of_the_database_tests)
{
    begin();
    ASSERT_INT_EQ(sqlgen(FG_SOURCE_DIR "/tests/unit/db/t.sql", NULL), 0);
    ASSERT_STR_EQ(output, "");
    ASSERT_STR_EQ(slurp(in_dir("t.sql.h")), slurp(FG_SOURCE_DIR "/tests/unit/db/t.sql.h"));
    ASSERT_STR_EQ(slurp(in_dir("t.sql.c")), slurp(FG_SOURCE_DIR "/tests/unit/db/t.sql.c"));
    ASSERT_HAS(slurp(in_dir("registry.c")), "&t_echo_statement,");
    end();
}

TEST(sqlgen, leaves_an_unchanged_file_alone)
{
    struct stat before, after;
    begin();
    write_sql("x.sql", "-- name: a() -> none\nDELETE FROM t;\n");
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), NULL), 0);
    stat(in_dir("x.sql.c"), &before);
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), NULL), 0);
    stat(in_dir("x.sql.c"), &after);
    ASSERT_INT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    write_sql("x.sql", "-- name: a() -> none\nDELETE FROM u;\n");
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), NULL), 0);
    stat(in_dir("x.sql.c"), &after);
    ASSERT_INT_NE(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    end();
}

TEST(sqlgen, registers_all_files_in_a_fixed_order)
{
    begin();
    write_sql("b.sql", "-- name: two() -> none\nDELETE FROM t;\n");
    write_sql("a.sql", "-- name: one() -> none\nDELETE FROM t;\n");
    ASSERT_INT_EQ(sqlgen(in_dir("b.sql"), in_dir("a.sql")), 0);
    const char *registry = slurp(in_dir("registry.c"));
    ASSERT_TRUE(strstr(registry, "&a_one_statement") < strstr(registry, "&b_two_statement"));
    end();
}

TEST(sqlgen, keeps_quotes_and_drops_comments)
{
    begin();
    write_sql(
        "x.sql",
        "-- name: a(p int4) -> one (v text)\n"
        "SELECT '@p ''; --' /* @q /* nested */ */ || E'\\'@r' || \"@s\" || $x$ @t; $x$ -- @u\n"
        "  || @p ; -- the end\n");
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), NULL), 0);
    const char *c = slurp(in_dir("x.sql.c"));
    ASSERT_HAS(c, "'@p ''; --'");
    ASSERT_HAS(c, "E'\\\\'@r' || \\\"@s\\\" || $x$ @t; $x$\\n\"");
    ASSERT_HAS(c, "  || $1::int4\"");
    ASSERT_NULL(strstr(c, "nested"));
    ASSERT_NULL(strstr(c, "@u"));
    end();
}

TEST(sqlgen, numbers_array_parameters_of_a_batch_in_pairs)
{
    begin();
    write_sql("x.sql", "-- name: a(k uuid, p text[], q int4) -> none\n-- batched: on k distinct q "
                       "max 7\n-- many:\n"
                       "SELECT @q, @p__ord, @p, @k;\n");
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), NULL), 0);
    const char *c = slurp(in_dir("x.sql.c"));
    ASSERT_HAS(c, "SELECT $4::int4[], $3::int4[], $2::text[], $1::uuid[]");
    ASSERT_HAS(c, ".sql_one = NULL");
    ASSERT_HAS(c, ".key_param = 0,\n    .distinct_param = 2,\n    .batch_max = 7");
    end();
}

#define A "-- name: a(p int4) -> none\n"

TEST(sqlgen, refuses_misspelt_and_unused_parameters)
{
    refused(A "SELECT\n @pp;\n", "x.sql:3: @pp is not a parameter of a");
    refused(A "SELECT 1;\n", "x.sql:1: a: parameter 'p' is not used in the one form");
    refused(A "-- batched\n-- one:\nSELECT @p;\n-- many:\nSELECT 1;\n",
            "x.sql:1: a: parameter 'p' is not used in the many form");
    refused("-- name: a(p text[]) -> none\n-- batched\n-- many:\nSELECT @p;\n",
            "x.sql:1: a: the many form uses no @...__ord of its arrays");
    refused("-- name: a(p text[]) -> none\nSELECT @p, @p__ord;\n",
            "x.sql:2: @p__ord exists only for array parameters");
    refused(A "SELECT $1, @p;\n", "x.sql:2: write @name, not $n");
    refused(A "SELECT x <@p;\n", "x.sql:2: is this an operator or a parameter?");
}

TEST(sqlgen, refuses_bad_signatures)
{
    refused("\n-- name: a(p int) -> none\nSELECT @p;\n", "x.sql:2: unknown type 'int'");
    refused("-- name: a(p int4, p int4) -> none\nSELECT @p;\n", "x.sql:1: 'p' appears twice");
    refused("-- name: a(p int4) -> some (v int4)\nSELECT @p;\n",
            "x.sql:1: 'some' is not one of none, one, maybe, many");
    refused("-- name: a(p int4) none\nSELECT @p;\n", "x.sql:1: expected '->'");
    refused("-- name: a(p int4 -> none\nSELECT @p;\n", "x.sql:1: expected ')'");
    refused("-- name: a(default int4) -> none\nSELECT @default;\n",
            "x.sql:1: 'default' cannot be a name in C");
    refused("-- name: a() -> maybe (found bool)\nSELECT true;\n",
            "x.sql:1: a maybe statement cannot have a column called found");
    refused("-- name: a() -> one (x int4?, has_x bool)\nSELECT 1, true;\n",
            "x.sql:1: column 'has_x' collides");
    refused("-- name: a() -> one (x int4[])\nSELECT 1;\n",
            "x.sql:1: column 'x': arrays are for parameters only");
    refused("-- name: a() -> one ()\nSELECT 1;\n", "x.sql:1: one needs at least one column");
    refused("-- name: A() -> none\nSELECT 1;\n", "x.sql:1: expected the name of the statement");
    refused(A "SELECT @p;\n-- name: a() -> none\nSELECT 1;\n",
            "x.sql:3: 'a' was defined on line 1");
}

TEST(sqlgen, refuses_bad_directives)
{
    refused(A "-- bached: on p\nSELECT @p;\n", "x.sql:2: unknown directive 'bached'");
    refused(A "-- batched: on q\n-- many:\nSELECT @p;\n", "x.sql:2: 'q' is not a parameter of a");
    refused(A "-- batched: max 0\n-- many:\nSELECT @p;\n",
            "x.sql:2: expected a number from 1 to 1024");
    refused(A "-- batched: on p twice\n-- many:\nSELECT @p;\n",
            "x.sql:2: cannot be understood: 'twice'");
    refused(A "-- max: 10 rows\nSELECT @p;\n", "x.sql:2: max: is for many");
    refused("-- name: a(p int4?) -> none\n-- key: p\nSELECT @p;\n",
            "x.sql:2: 'p' cannot be the key");
    refused(A "-- batched\nSELECT @p;\n", "x.sql:1: a is batched and needs '-- many:'");
    refused(A "SELECT @p;\n-- many:\nSELECT @p;\n",
            "x.sql:3: a has a many form but is not batched");
    refused(A "-- batched\n-- many:\nSELECT @p;\n-- one:\nSELECT @p;\n",
            "x.sql:5: a: forms out of order");
}

TEST(sqlgen, refuses_bad_sql_texts)
{
    refused("SELECT 1;\n", "x.sql:1: expected '-- name: ...' before the first SQL");
    refused("-- name: a() -> none\n\n-- nothing here\n", "x.sql:1: a has no SQL");
    refused(A "SELECT @p;\nSELECT 2;\n", "x.sql:3: text after the semicolon");
    refused(A "SELECT @p, 'open;\n", "x.sql:2: quote over several lines");
    refused(A "SELECT @p, 'open", "x.sql:2: quote without end");
    refused(A "SELECT @p, $a$ open\n", "x.sql:2: dollar quote without end");
    refused(A "SELECT @p /* open\n", "x.sql:2: comment without end");
}

TEST(sqlgen, refuses_two_files_with_the_same_prefix_and_files_without_one)
{
    begin();
    write_sql("x.sql", "-- name: a() -> none\nDELETE FROM t;\n");
    ASSERT_INT_EQ(sqlgen(in_dir("x.sql"), in_dir("x.sql")), 1);
    ASSERT_HAS(output, "the prefix 'x' is taken");
    write_sql("X-1.sql", "");
    ASSERT_INT_EQ(sqlgen(in_dir("X-1.sql"), NULL), 1);
    ASSERT_HAS(output, "the prefix must be");
    ASSERT_INT_EQ(sqlgen(in_dir("gone.sql"), NULL), 1);
    ASSERT_HAS(output, "No such file");
    end();
}
