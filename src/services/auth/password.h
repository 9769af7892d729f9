/* Passwords: which ones we take, and Argon2id on helper threads. CreateUser and CreateSession call
 * it. What must stay true: a hash never runs on the loop; the copy of a password is wiped as
 * soon as it is hashed, what came of it when the call ends (rpc_handler.has_secret); an unknown
 * user costs the same time as a known one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/str.h"
#include "grpc/grpc.h"

#define PASSWORD_CHARS_MIN 8
#define PASSWORD_BYTES_MAX 256
#define PASSWORD_SALT_BYTES 16
#define PASSWORD_CALLS_MAX 64 /* of a worker; what the helpers' queue holds */
#define PASSWORD_HASH_MAX 128 /* PHC string with NUL */

enum password_fault {
    PASSWORD_OK,
    PASSWORD_SHORT,  /* fewer characters than PASSWORD_CHARS_MIN */
    PASSWORD_LONG,   /* more bytes than PASSWORD_BYTES_MAX */
    PASSWORD_COMMON, /* on the list of the 3,000 most common */
    PASSWORD_EMAIL,  /* contains the part of the address before the @ */
};

/* No rules of composition (ASVS 5.0 6.2): only length, the common list, the caller's own address.
 */
enum password_fault password_check(struct str password, struct str email);
bool password_is_common(struct str password);

struct password_params {
    uint32_t kib;
    uint32_t passes;
};

/* Blocking; helper threads, tests and `faregate user` only. 0 and the PHC string, or -ENOMEM.
 */
int password_hash(struct str password, const struct password_params *params,
                  const uint8_t salt[static PASSWORD_SALT_BYTES],
                  char ret_hash[static PASSWORD_HASH_MAX]);
/* Blocking. 0, -EACCES for the wrong password, -ENOMEM. An empty @stored costs the same and is
 * never right. */
int password_verify(struct str password, const struct password_params *params, struct str stored);
/* Whether @stored was made with less than @params. */
bool password_is_outdated(struct str stored, const struct password_params *params);

struct password_result {
    bool failed; /* no memory for the hash: OVERLOADED */
    bool matches;
    char hash[PASSWORD_HASH_MAX]; /* of password_start_hash; of password_start_check when @stored is
                                     outdated and right */
};

/* Takes a place among the calls that wait for a helper, until @c ends: before anything is counted
 * against its caller, who could not help it that all were busy. Of the places half are for logins
 * alone: who registers in bulk does not keep customers out. False: none is free, the call has
 * failed with OVERLOADED, return STEP_DONE. */
bool password_take_place(struct call *c, bool is_login);

/* Start on a helper thread; *ret is filled before the next step. False: the queue is
 * full, which a place prevents; the call has failed with OVERLOADED, return STEP_DONE. */
bool password_start_hash(struct call *c, struct str password,
                         const uint8_t salt[static PASSWORD_SALT_BYTES],
                         struct password_result *ret);
bool password_start_check(struct call *c, struct str password, struct str stored,
                          struct password_result *ret);
