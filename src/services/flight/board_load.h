/* Who keeps the timetable in memory: one process of a server runs it. The supervisor's child of
 * that name starts it. */
#pragma once

#include "grpc/grpc.h"
#include "services/app.h"

struct board_load;

/* Fills app->board and keeps it up, as fresh as app->limits.search_stale_ms asks for. */
struct board_load *board_load_start(struct server *server, struct app *app);
/* What runs ends by itself or with its server. NULL. */
struct board_load *board_load_stop(struct board_load *load);
