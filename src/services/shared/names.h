/* Resource names: "bookings/{uuid}" to ids and back. Every handler that takes or gives a name calls
 * it. What must stay true: name_make and name_match are each other's inverse; "me" is only ever the
 * caller. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"
#include "grpc/grpc.h"

#define NAME_IDS_MAX 4

/* Matches @name with @pattern, whose variable parts are {uuid} and {user} (a UUID, or "me" for
 * @me), as in "users/{user}/sessions/{uuid}". Ids come out from left to right. 0 or -EINVAL. A nil
 * @me refuses "me". */
int name_match(struct str name, const char *pattern, struct uuid me, struct uuid *ret_ids);

/* The same for a field of the request. False: the call has failed with FIELD_INVALID, return
 * STEP_DONE: if (!name_take(c, "name", req->name, "bookings/{uuid}", &s->booking_id)) return
 * STEP_DONE; */
bool name_take(struct call *c, const char *field, const char *name, const char *pattern,
               struct uuid *ret_ids);

/* "bookings/0193..." in the arena. @collection without slash. */
char *name_make(struct arena *arena, const char *collection, struct uuid id);
/* "users/0193.../sessions/0193..." */
char *name_make_child(struct arena *arena, const char *collection, struct uuid id,
                      const char *child_collection, struct uuid child_id);

/* The same two in front of @p, as grpc/pb_put.h has it: the text in @field. */
uint8_t *name_put(uint8_t *p, unsigned field, struct str collection, struct uuid id);
uint8_t *name_put_child(uint8_t *p, unsigned field, struct str collection, struct uuid id,
                        struct str child_collection, struct uuid child_id);
