/* Great-circle distances, for block times, fares and emissions.
 * Rounded to whole kilometres so that the last bit of libm never shows. */
#include "domain/geo.h"

#include <math.h>

#define EARTH_RADIUS_KM 6371.0088

static double radians(double degrees)
{
    return degrees * (M_PI / 180.0);
}

int32_t geo_distance_km(double lat_a, double lon_a, double lat_b, double lon_b)
{
    double dlat = sin(radians(lat_b - lat_a) / 2), dlon = sin(radians(lon_b - lon_a) / 2);
    double h = dlat * dlat + cos(radians(lat_a)) * cos(radians(lat_b)) * dlon * dlon;
    double km = 2 * EARTH_RADIUS_KM * asin(sqrt(fmin(1.0, h)));
    return km < 1 ? 1 : (int32_t)lround(km);
}
