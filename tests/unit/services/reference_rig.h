/* A small world for tests: reference data made from rows written by hand, no database. */
#pragma once

#include "services/app.h"
#include "services/reference.h"

/* Airports: AMS CDG HNL JFK EWR LGA LHR LGW NRT SYD; brands, buckets, taxes and connection times as
 * in the data files. */
struct reference *rig_reference(void);

/* An app with it, keys set, whose wall clock stands at rig_now_s. */
struct app *rig_app(void);
extern int64_t rig_now_s;

/* The rows, to be spoilt before reference_new. */
struct reference_source rig_source(void);
