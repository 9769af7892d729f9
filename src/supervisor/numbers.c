/* The table of numbers; see numbers.h. What must stay true: names and values have one order. */
#include "supervisor/numbers.h"

struct number {
    const char *name;
    const char *help;
    enum obs_kind kind;
    int index;
};

static struct number numbers[] = {
    {"connections", "Open HTTP/2 connections.", OBS_GAUGE, -1},
    {"connections_accepted_total", "HTTP/2 connections accepted.", OBS_COUNTER, -1},
    {"calls_in_flight", "Calls that have not ended.", OBS_GAUGE, -1},
    {"db_statements_total", "Statements sent to the database.", OBS_COUNTER, -1},
    {"db_members_total", "Requests carried by those statements.", OBS_COUNTER, -1},
    {"db_errors_total", "Statements that failed.", OBS_COUNTER, -1},
    {"db_solo_fallbacks_total", "Batches run again one by one because a member failed.",
     OBS_COUNTER, -1},
    {"db_rewinds_total", "Statements run again after a lost race or a deadlock.", OBS_COUNTER, -1},
    {"db_reconnects_total", "Connections to the database made again.", OBS_COUNTER, -1},
    {"db_connect_failures_total", "Attempts to connect to the database that failed.", OBS_COUNTER,
     -1},
    {"db_queue", "Requests waiting for a lane.", OBS_GAUGE, -1},
    {"db_connections_up", "Connections to the database.", OBS_GAUGE, -1},
    {"timetable_reads_total{from=\"timetable\"}", "Searches and flights, by where they were read.",
     OBS_COUNTER, -1},
    {"timetable_reads_total{from=\"database\"}", "", OBS_COUNTER, -1},
    {"loop_lag_seconds", "How late what was due ran, in the process where it was latest.",
     OBS_LONGEST, -1},
};

#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

void numbers_register(struct obs_region *region)
{
    for (unsigned i = 0; i < NUMBER_COUNT; i++)
        numbers[i].index = obs_metric(region, numbers[i].name, numbers[i].help, numbers[i].kind);
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
        app->reads_from_timetable,
        app->reads_from_database,
        (uint64_t)(server_lag_ns(server) / NS_PER_US),
    };
    _Static_assert(sizeof values / sizeof values[0] == NUMBER_COUNT, "a value for each name");
    for (unsigned i = 0; i < NUMBER_COUNT; i++)
        (numbers[i].kind == OBS_COUNTER ? obs_set_total : obs_set)(obs, numbers[i].index,
                                                                   values[i]);
}
