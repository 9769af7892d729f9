/* AuthService for main: the hook that checks tokens, the poll for ended sessions, users without a
 * client. The service itself is auth_service (services/app.h). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/str.h"
#include "services/app.h"

/* server_hooks.authenticate; @app is the struct app. Never blocks. */
enum reason auth_authenticate(void *app, struct str token, int64_t wall_ns,
                              struct principal *ret_principal);

/* Looks for ended sessions now and then each second. A token of a session that ended is refused by
 * the worker that ended it at once and by the others within a poll and its statement: 1 to 2 s
 * while the database answers. While it does not answer, no session can end either. @on_known, once:
 * all are known that a token which is still good may be under, so who serves from then on takes no
 * token that was revoked before he started. */
void auth_revocations_start(struct server *server, struct app *app, void (*on_known)(void *arg),
                            void *arg);
/* Before server_free. */
void auth_revocations_stop(struct app *app);

/* Makes a user with the roles named in @roles ("traveller,finance"), proven address included:
 * `faregate user`, development, tests. Blocks, on a loop of its own. 0; -EEXIST: the address is
 * taken; -EINVAL: address, password or roles are not acceptable; else negative errno. One line in
 * @error. */
int auth_make_user(const char *conninfo, const char *email, const char *password, const char *roles,
                   const struct app_limits *limits, char *error, size_t error_bytes);
