/* The table of numbers; see numbers.h. What must stay true: names and values have one order. */
#include "supervisor/numbers.h"

struct number {
    const char *name;
    const char *help;
    bool counter;
    int index;
};

static struct number numbers[] = {
    {"connections", "Open HTTP/2 connections.", false, -1},
    {"connections_accepted_total", "HTTP/2 connections accepted.", true, -1},
    {"calls_in_flight", "Calls that have not ended.", false, -1},
    {"db_statements_total", "Statements sent to the database.", true, -1},
    {"db_members_total", "Requests carried by those statements.", true, -1},
    {"db_errors_total", "Statements that failed.", true, -1},
    {"db_solo_fallbacks_total", "Batches run again one by one because a member failed.", true, -1},
    {"db_rewinds_total", "Statements run again after a lost race or a deadlock.", true, -1},
    {"db_reconnects_total", "Connections to the database made again.", true, -1},
    {"db_connect_failures_total", "Attempts to connect to the database that failed.", true, -1},
    {"db_queue", "Requests waiting for a lane.", false, -1},
    {"db_connections_up", "Connections to the database.", false, -1},
    {"searches_total{from=\"timetable\"}", "Searches, by where their flights were read.", true, -1},
    {"searches_total{from=\"database\"}", "", true, -1},
    {"loop_lag_microseconds", "How late the event loop ran what was due.", false, -1},
};

#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

void numbers_register(struct obs_region *region)
{
    for (unsigned i = 0; i < NUMBER_COUNT; i++)
        numbers[i].index = obs_metric(region, numbers[i].name, numbers[i].help, numbers[i].counter);
}

void numbers_publish(struct obs *obs, const struct h2_stats *h2, const struct db_stats *db,
                     const struct server *server, const struct app *app)
{
    const uint64_t values[] = {
        h2->conns_open,
        h2->conns_accepted,
        server_calls_in_flight(server),
        db->units,
        db->members,
        db->errors,
        db->solo_fallbacks,
        db->rewinds,
        db->reconnects,
        db->connect_failures,
        db->queue_now,
        db->connections_up,
        app->searches_from_timetable,
        app->searches_from_database,
        (uint64_t)(server_lag_ns(server) / NS_PER_US),
    };
    _Static_assert(sizeof values / sizeof values[0] == NUMBER_COUNT, "a value for each name");
    for (unsigned i = 0; i < NUMBER_COUNT; i++)
        obs_set(obs, numbers[i].index, values[i]);
}
