/* How the statements are executed once the tables have grown: nothing that grows is read as a
 * whole, whatever the planner expects of arrays and limits that it does not know. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "flow.h"
#include "gen/sql/registry.h"

#define ROWS 4000 /* a full reading is dearer than what any batch looks up */

/* A row in every table that grows, and all that can be due is. */
static void make_world(void)
{
    t_begin(3, 9);
    do_sale(1);
    do_sale(2);
    ASSERT_STR_EQ(do_quote(1, 2, 7000, 3000), "");
    ASSERT_STR_EQ(do_quote(2, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(2, 1), "");
    t_do(0,
         "INSERT INTO seat_assignment SELECT flight_ids[1], '1A', 1, booking_id, 0, 'infinity' "
         "FROM booking LIMIT 1;"
         "INSERT INTO attention_item SELECT booking_id, booking_id, 'X', 'x' FROM booking;"
         "INSERT INTO login SELECT 'a@b.c', user_id, 'x' FROM booking LIMIT 1;"
         "INSERT INTO app_user SELECT user_id, email, false, 'A', 'en', 2 FROM login;"
         "INSERT INTO session SELECT user_id, user_id, 'd', 'n', '', '', NULL, 0, now(), now(), "
         "now(), now() FROM login;"
         "INSERT INTO revocation SELECT user_id, user_id, now(), now() FROM login;"
         "INSERT INTO login_throttle SELECT user_id, 1, now(), now() FROM login;"
         "INSERT INTO security_event SELECT user_id, user_id, 'LOGIN', NULL, 'n' FROM login;"
         "UPDATE payment_watch SET due_time = due_time - interval '1 hour';"
         "UPDATE payment_attempt SET due_time = now();"
         "UPDATE refund SET due_time = now(); UPDATE cancellation SET expire_time = '2020-01-01';"
         "UPDATE booking SET payment_required_time = now()");
}

/* The tables that grow: those whose primary key has a UUID or an address, with these columns. */
#define GROWING                                                                                    \
    "(SELECT c.relname, c.reltuples, array_agg(a.attname) AS keys FROM pg_class c "                \
    "JOIN pg_index x ON x.indrelid = c.oid AND x.indisprimary "                                    \
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey) "                     \
    "WHERE c.relnamespace = 'public'::regnamespace "                                               \
    "AND (a.atttypid = 'uuid'::regtype OR a.attname = 'email') GROUP BY 1, 2) t"

/* Each gets copies of one of its rows under other keys; rows of one number belong together. */
static void make_many(void)
{
    t_do(0, t_format(
                "SET jit = off; DO $$ DECLARE t record; BEGIN"
                " FOR t IN SELECT * FROM " GROWING " LOOP"
                " EXECUTE format('INSERT INTO %%1$I SELECT (jsonb_populate_record(t, k.keys)).*"
                " FROM (SELECT t FROM %%1$I t LIMIT 1) x,"
                " (SELECT lpad(to_hex(i), 32, ''0'')::uuid AS key FROM generate_series(1, %d) i) i,"
                " LATERAL (SELECT jsonb_object_agg(k, i.key) AS keys FROM unnest(%%2$L::text[]) k)"
                " k', t.relname, t.keys);"
                " END LOOP; END $$; ANALYZE",
                ROWS));
    ASSERT_STR_EQ(
        t_sql(t_format("SELECT string_agg(relname, ' ') FROM " GROWING " WHERE reltuples < %d",
                       ROWS)),
        "");
}

static bool has_grown(const char *relation)
{
    return atoi(t_sql(t_format("SELECT reltuples FROM pg_class WHERE relname = '%s'", relation))) >=
           ROWS;
}

static void look(struct buf *out, const struct db_statement *s, const json_t *node)
{
    const char *type = json_string_value(json_object_get(node, "Node Type"));
    const char *read = json_string_value(
        json_object_get(node, strncmp(type, "Index", 5) == 0 ? "Index Name" : "Relation Name"));
    size_t i;
    const json_t *child;
    if (read && strstr(type, "Scan") && !strstr(type, "Bitmap") &&
        !json_object_get(node, "Index Cond") && has_grown(read))
        buf_printf(out, "%s reads all of %s\n", s->name, read);
    json_array_foreach(json_object_get(node, "Plans"), i, child) look(out, s, child);
}

TEST(plans, read_nothing_whole_that_grows)
{
    struct buf found = {0};
    unsigned forms = 0;
    make_world();
    make_many();
    for (unsigned i = 0; sql_statements[i]; i++) {
        for (int many = 0; many < 2; many++) {
            const struct db_statement *s = sql_statements[i];
            if (!(many ? s->sql_many : s->sql_one))
                continue;
            char *text = ask_explain(t_session(0), s, many);
            json_t *plan = json_loads(text, 0, NULL);
            ASSERT_TRUE(plan);
            look(&found, s, json_object_get(json_array_get(plan, 0), "Plan"));
            json_decref(plan);
            free(text);
            forms++;
        }
    }
    buf_append(&found, "", 1);
    ASSERT_STR_EQ((const char *)found.p + found.start, "");
    buf_deinit(&found);
    ASSERT_TRUE(forms > 70);
    t_begin(0, 0);
    t_end();
}
