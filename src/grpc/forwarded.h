/* What proxies in front say of a call's client: kept field by field, judged once. intake calls it.
 */
#pragma once

#include "grpc/internal.h"

/* Keeps a field that proxies write; false: it is not one of them. */
bool forwarded_see(struct call_impl *ci, struct str name, struct str value);
/* Once the header block is whole: who the client is, by the connection and by what was kept. */
void forwarded_apply(struct call_impl *ci);
