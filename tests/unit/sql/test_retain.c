/* What retention deletes, and what it leaves. */
#include "flow.h"

static const char *prune_claims(int row_count)
{
    return do_job("jobs_prune_claims", "row_count", row_count, "pruned");
}

/* Of cheap calls for a day, of those that hold seats or move money for thirty. */
TEST(retain, claims_as_long_as_promised)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    t_do(
        0,
        "INSERT INTO idempotency (principal, method, request_id, fingerprint, reason, create_time) "
        "SELECT principal, m, md5(h::text)::uuid, '\\x', 'X', now() - h * interval '1 hour' "
        "FROM idempotency, unnest('{4,5}'::int[]) m, unnest('{2,25,700,744}'::int[]) h");
    ASSERT_STR_EQ(prune_claims(1), "2"); /* of each */
    ASSERT_STR_EQ(prune_claims(100), "2");
    ASSERT_STR_EQ(prune_claims(100), "0");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(method || ' ' || round(extract(epoch FROM now() - "
                        "create_time) / 3600), ',' ORDER BY method, create_time DESC) "
                        "FROM idempotency"),
                  "4 2,5 0,5 2,5 25,5 700");
    t_end();
}

/* One step of a walk over keys: how many rows went, and where to go on. */
static const char *step(struct ask *ask, const char *after, int row_count)
{
    ask_set(ask, 0, "after", after);
    ask_int(ask, 0, "row_count", row_count);
    PGresult *r = ask_run(t_session(0), ask);
    const char *said = t_format("%s %s", t_cell(r, 0, "pruned"), t_cell(r, 0, "next"));
    PQclear(r);
    return said;
}

static const char *prune_throttles(const char *after, int row_count)
{
    struct ask ask;
    ask_begin(&ask, "jobs_prune_throttles");
    return step(&ask, after, row_count);
}

static const char *prune_accounts(const char *after, int user_count, int row_count)
{
    struct ask ask;
    ask_begin(&ask, "jobs_prune_accounts");
    ask_int(&ask, 0, "user_count", user_count);
    return step(&ask, after, row_count);
}

/* Nobody has to know how old a row is to come past it. */
TEST(retain, failed_logins_until_they_are_forgotten)
{
    t_begin(0, 0);
    t_do(0, "INSERT INTO login_throttle SELECT ('6b000000-0000-7000-8000-00000000000' || i)::uuid, "
            "1, now(), now() + (i % 2 - 0.5) * interval '1 minute' FROM generate_series(1, 5) i");
    const char *second = t_id('k', 2), *fourth = t_id('k', 4);
    ASSERT_STR_EQ(prune_throttles(t_id('k', 0), 2), t_format("1 %s", second));
    ASSERT_STR_EQ(prune_throttles(second, 2), t_format("1 %s", fourth));
    ASSERT_STR_EQ(prune_throttles(fourth, 2), "0 ");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(right(key::text, 1), '') FROM login_throttle"), "135");
    t_end();
}

TEST(retain, sessions_revocations_and_events_as_long_as_promised)
{
    t_begin(0, 0);
    t_do(0, "INSERT INTO app_user (user_id, email, display_name, language_code, roles) SELECT "
            "('75000000-0000-7000-8000-00000000000' || i)::uuid, i || '@x', 'X', 'en', 2 "
            "FROM generate_series(1, 3) i");
    t_do(0, "INSERT INTO session (user_id, session_id, device_label, network, seed, refresh_hash, "
            "idle_expire_time, expire_time) SELECT user_id, gen_random_uuid(), d, '', '', "
            "sha256(''), t, t "
            "FROM app_user, unnest('{0,89,91}'::int[]) d, "
            "LATERAL (SELECT now() - d * interval '1 day' AS t) x");
    t_do(0, "INSERT INTO revocation (user_id, session_id, expire_time) SELECT user_id, session_id, "
            "now() - device_label::int * interval '1 minute' FROM session");
    t_do(0, "INSERT INTO security_event (user_id, event_id, kind, network, create_time) SELECT "
            "user_id, gen_random_uuid(), 'LOGIN', d, now() - d * interval '1 day' "
            "FROM app_user, unnest('{399,401}'::int[]) d");
    const char *first = t_id('u', 0), *second = t_id('u', 2);
    ASSERT_STR_EQ(prune_accounts(first, 2, 1),
                  t_format("6 %s", first)); /* four revocations at once */
    ASSERT_STR_EQ(prune_accounts(first, 2, 1), t_format("2 %s", first));
    ASSERT_STR_EQ(prune_accounts(first, 2, 9), t_format("0 %s", second));
    ASSERT_STR_EQ(prune_accounts(second, 2, 9), "4 ");
    ASSERT_STR_EQ(prune_accounts(first, 9, 9), "0 ");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(device_label, ',' ORDER BY device_label) FROM session"),
                  "0,0,0,89,89,89");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM revocation"), "3");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(network, ',') FROM security_event"), "399,399,399");
    t_end();
}
