/* What a process says of its database: one event when it is down, with the reason, and again when
 * the reason changes; one when it is back; the reason in its slot for /readyz?verbose. The worker
 * calls whenever it hears something, and now and then. */
#pragma once

#include "db/db.h"
#include "obs/obs.h"
#include "supervisor/supervisor.h"

struct db_news {
    bool is_down_told;
    int64_t told_ns;
};

void db_news_tell(struct db_news *news, struct obs *obs, const struct db *db,
                  struct shared_page *shared, struct process_slot *slot);
