/* What a worker's parts say about themselves in /metrics, a number each. worker.c registers before
 * the fork and publishes several times a second. */
#pragma once

#include "db/db.h"
#include "h2/h2.h"
#include "obs/obs.h"
#include "services/app.h"

void numbers_register(struct obs_region *region);
void numbers_publish(struct obs *obs, const struct h2_stats *h2, const struct db_stats *db,
                     const struct server *server, const struct app *app);
