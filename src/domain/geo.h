/* Distances on the globe: what block times, fares and emissions are computed from.
 * The timetable calls it; it is pure and rounds to whole kilometres. */
#pragma once

#include <stdint.h>

/* Great-circle distance in whole kilometres, at least 1; degrees north and east. */
int32_t geo_distance_km(double lat_a, double lon_a, double lat_b, double lon_b);
