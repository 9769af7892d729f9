/* Listening sockets: opened once (by the supervisor), accepted from by every worker.
 * h2/ accepts through it; main opens. What must stay true: running out of descriptors or of
 * permission to accept pauses the listener for a moment, it never ends or spins it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/loop.h"

/* Opens a listening, non-blocking socket at @address: "127.0.0.1:50051", "[::1]:50051", "*:50051"
 * (every IPv4 address), "localhost:50051", "unix:/run/faregate.sock"; or takes the socket that was
 * passed to this process as "fd:NAME" or "fd:3" (sd_listen_fds(3)). Numbers only, no DNS. Port 0:
 * the kernel chooses (listen_port tells). 0, or negative errno with one line in @error that names
 * the address. */
int listen_open(const char *address, int backlog, int *ret_fd, char *error, size_t error_bytes);

/* The same; the file of a unix socket has @mode (0: as the umask makes it) from its first moment.
 */
int listen_open_mode(const char *address, uint32_t mode, int backlog, int *ret_fd, char *error,
                     size_t error_bytes);

/* Whether @address is one at all, and a socket that was passed is there. 0, or negative errno and
 * that line. */
int listen_check(const char *address, char *error, size_t error_bytes);

/* The descriptor that whoever started this process left for it (sd_listen_fds(3): LISTEN_PID,
 * LISTEN_FDS, LISTEN_FDNAMES), by name or number; it is set to be used by listeners. -ENOENT: there
 * is none, -EINVAL: it does not listen for streams. */
int listen_passed(struct str name);

/* The TCP port @fd listens on; 0 for a unix socket. */
uint16_t listen_port(int fd);

/* The address @fd is bound to, as listen_open takes it ("127.0.0.1:50051", "unix:/path"); "?" where
 * there is none. Also of an accepted socket. */
#define LISTEN_ADDRESS_BYTES 128
void listen_address(int fd, char ret_text[static LISTEN_ADDRESS_BYTES]);

/* True when only this machine can reach @address: a loopback address or a unix socket, also one
 * that was passed to this process. */
bool listen_is_local(const char *address);

struct listener;

struct listener_handler {
    /* Before each accept: for how many milliseconds to leave connections to others, 0 to take one
     * now. The next one after a pause is taken unasked, so that a connection is only ever delayed.
     */
    uint32_t (*may_accept_ms)(void *ctx);
    /* A connection, non-blocking; the handler owns @fd. */
    void (*on_accept)(void *ctx, int fd);
};

/* Takes over @fd. */
int listener_new(struct listener **ret_listener, struct loop *loop, int fd,
                 const struct listener_handler *handler, void *ctx);
/* Closes the descriptor as well. */
struct listener *listener_free(struct listener *listener);

/* At a limit: stops and starts accepting. */
void listener_hold(struct listener *listener, bool held);
