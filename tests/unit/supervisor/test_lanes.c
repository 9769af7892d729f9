/* How many connections to the database a server may have. */
#include "supervisor/lanes.h"

#include "supervisor/supervisor.h"
#include "support/test.h"

TEST(lanes, are_shared_out_among_the_workers)
{
    struct config config = {.db = {.read_lanes = 2, .leases_max = 4}};
    ASSERT_INT_EQ(lanes_for(&config, 2, 6, 0).write_lanes, 3);
    ASSERT_INT_EQ(lanes_for(&config, 4, 6, 0).write_lanes, 2);
    ASSERT_INT_EQ(lanes_for(&config, 64, 2, SLOT_JOBS).write_lanes, 1);
    ASSERT_INT_EQ(lanes_for(&config, 0, 6, SLOT_JOBS).write_lanes, 6);
    ASSERT_INT_EQ(lanes_for(&config, 2, 6, SLOT_TIMETABLE).write_lanes, 1);
    config.db.write_lanes = 5;
    ASSERT_INT_EQ(lanes_for(&config, 2, 6, 0).write_lanes, 5);
    ASSERT_INT_EQ(lanes_for(&config, 2, 6, 0).read_lanes, 2);
}

/* A worker for each of many processors must find them all; the formula is in docker/README.md. */
TEST(lanes, come_to_what_postgresql_must_allow)
{
    struct config config = {.db = {.read_lanes = 2, .leases_max = 4}};
    ASSERT_INT_EQ(lanes_connections(&config, 1), 7 + 7 + 6 + 20);
    ASSERT_INT_EQ(lanes_connections(&config, 64), 64 * 7 + 7 + 6 + 20);
    config.workers = 2;
    ASSERT_INT_EQ(lanes_connections(&config, 64), 2 * 38 + 38 + 6 + 20);
}
