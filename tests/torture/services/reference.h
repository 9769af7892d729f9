/* Reference data written by hand: four airports, an airline, an aircraft with all cabins. */
#pragma once

struct reference *world_reference(void);
