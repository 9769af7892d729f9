/* Starting: servers that are not there yet, hosts of which one is silent, schemas that are not what
 * was signed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

static bool is_told(void *arg)
{
    (void)arg;
    return t_state != 0;
}

TEST(boot, waits_for_a_database_that_is_not_there_yet)
{
    struct caller c;
    struct t_one_of_row row;
    t_prepare();
    pg_stop();
    t_begin_with(pg_conninfo_of_stopped(), t_statements);
    t_turn(200);
    ASSERT_FALSE(db_is_up(t_db));
    pg_start();
    ASSERT_TRUE(t_wait(is_told, NULL, 10000));
    ASSERT_INT_EQ(t_state, 1);
    caller_init(&c);
    t_one_of(&c.call, &row, 1);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    caller_deinit(&c);
    t_end();
}

/* A statement with one column that is signed as @type. */
static void refused(const char *sql_one, const char *sql_many, enum db_type type, const char *why)
{
    const struct db_column column = {.name = "v", .type = type};
    const struct db_statement drifted = {.name = "drifted",
                                         .sql_one = sql_one,
                                         .sql_many = sql_many,
                                         .columns = &column,
                                         .column_count = 1,
                                         .cardinality = DB_ONE,
                                         .row_bytes = 8,
                                         .key_param = -1,
                                         .distinct_param = -1,
                                         .batch_max = sql_many ? 8 : 1};
    const struct db_statement *const statements[] = {&t_get_item_statement, &drifted, NULL};
    struct caller c;
    t_prepare();
    t_begin_with(pg_conninfo(), statements);
    ASSERT_TRUE(t_wait(is_told, NULL, 10000));
    ASSERT_INT_EQ(t_state, -EPROTO);
    ASSERT_HAS(db_error(t_db), drifted.name);
    ASSERT_HAS(db_error(t_db), why);
    ASSERT_FALSE(db_is_up(t_db));
    /* Nothing runs, nothing hangs. */
    struct t_get_item_row row;
    caller_init(&c);
    t_get_item(&c.call, &row, 1);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_DATABASE_UNAVAILABLE);
    caller_deinit(&c);
    t_turn(100);
    ASSERT_HAS(db_error(t_db), why);
    t_end();
}

TEST(boot, refuses_a_column_of_another_type)
{
    refused("SELECT 1::int4", NULL, DB_INT8, "v int8");
}

TEST(boot, refuses_another_number_of_columns)
{
    refused("SELECT 1::int4, 2", NULL, DB_INT4, "2 columns, the signature has 1");
}

TEST(boot, refuses_a_table_that_is_not_there)
{
    refused("SELECT v FROM gone", NULL, DB_INT4, "\"gone\" does not exist");
}

TEST(boot, refuses_a_many_form_without_its_ordinal)
{
    refused("SELECT 1::int4", "SELECT 1::int8, 1::int4", DB_INT4, "n int4");
}

TEST(boot, warns_of_constraints_that_do_not_exist)
{
    t_begin();
    ASSERT_HAS(db_warning(t_db),
               "do not exist: refundable_ck"); /* the tests have a seat_count_ck */
    t_end();
}

TEST(boot, refuses_a_conninfo_that_is_none)
{
    struct db *db = NULL;
    t_begin();
    ASSERT_INT_EQ(db_new(&db, &t_loop, "nonsense=1", &db_limits_default, t_statements, NULL, NULL),
                  -EINVAL);
    ASSERT_NULL(db);
    t_end();
}

static bool says(void *what)
{
    return db_error(t_db) && strstr(db_error(t_db), what);
}

/* As a migration does to a worker that starts beside it. */
TEST(boot, waits_for_who_locks_a_table)
{
    char why[] = "55P03";
    t_prepare();
    PGconn *other = pg_session();
    PQclear(PQexec(other, "BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE"));
    t_limits.lock_timeout_ms = 50;
    t_begin_with(pg_conninfo(), t_statements);
    ASSERT_TRUE(t_wait(says, why, 10000));
    ASSERT_FALSE(db_is_up(t_db));
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    t_wait_up();
    t_end();
}

TEST(boot, a_read_only_server_takes_no_writes)
{
    char why[] = "read-only";
    t_prepare();
    pg_exec("ALTER SYSTEM SET default_transaction_read_only = on");
    pg_exec("SELECT pg_reload_conf()");
    t_begin_with(pg_conninfo(), t_statements);
    ASSERT_TRUE(t_wait(says, why, 10000));
    ASSERT_FALSE(db_is_up(t_db));
    pg_exec("ALTER SYSTEM RESET default_transaction_read_only");
    pg_exec("SELECT pg_reload_conf()");
    t_wait_up();
    t_end();
}

TEST(boot, finds_a_server_by_name_without_blocking)
{
    /* A label of more than 63 bytes, which nobody asks a name server for. */
    char nowhere[] = "no-such-host----------------------------------------------------";
    char conninfo[200];
    t_prepare();
    snprintf(conninfo, sizeof conninfo, "host=localhost port=%u dbname=postgres user=postgres",
             pg_tcp_port());
    t_begin_with(conninfo, t_statements);
    ASSERT_INT_EQ(t_db->lanes[0].conn.state, CONN_RESOLVING);
    t_wait_up();
    ASSERT_STR_EQ(PQhost(t_db->lanes[0].conn.pg), "localhost");
    t_end();
    snprintf(conninfo, sizeof conninfo, "host=%s dbname=postgres", nowhere);
    t_begin_with(conninfo, t_statements);
    ASSERT_TRUE(t_wait(says, nowhere, 10000));
    t_end();
}

TEST(boot, may_be_given_up_at_any_moment)
{
    t_prepare();
    for (unsigned ms = 0; ms < 30; ms++) {
        t_begin_with(ms % 3 ? pg_conninfo() : "host=localhost port=1", t_statements);
        t_turn(ms);
        t_end();
    }
}

/* Two hosts, of which the first takes connections and never says a word. */
TEST(boot, a_silent_host_costs_one_attempt)
{
    struct host host;
    t_prepare();
    t_host_init(&host);
    t_host_mute(&host);
    t_limits.connect_timeout_ms = 500;
    t_begin_with(host.conninfo, t_statements);
    t_wait_up();
    ASSERT_INT_EQ(db_stats(t_db)->connect_failures, 1);
    t_db->limits.connect_timeout_ms = 5000;
    pg_exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'faregate'");
    t_turn(50);
    t_wait_up(); /* whom it knows to be well comes first */
    ASSERT_INT_EQ(db_stats(t_db)->connect_failures, 1);
    t_end();
    t_host_deinit(&host);
}

TEST(boot, passes_all_options_on_however_long)
{
    char options[600], last[] = "nothing_of_that_name";
    t_prepare();
    snprintf(options, sizeof options, "-c a.b=%0400d -c %s=1", 1, last);
    setenv("PGOPTIONS", options, 1);
    t_begin_with(pg_conninfo(), t_statements);
    ASSERT_TRUE(t_wait(says, last, 10000));
    t_end();
    unsetenv("PGOPTIONS");
}
