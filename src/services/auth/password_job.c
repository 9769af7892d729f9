/* Argon2id off the loop: one job per hash, at most as many as there are helpers plus their queue.
 * What must stay true: the job owns copies of everything; the call may be gone before the hash is
 * done. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "io/work.h"
#include "services/app.h"
#include "services/auth/password.h"

#define BUSY_PUSHBACK_MS 500

struct password_job {
    struct work_job job;
    struct password_params params;
    struct password_result *ret; /* in the call's state: touched in on_done only */
    struct password_result result;
    bool checks;
    uint8_t salt[PASSWORD_SALT_BYTES];
    char stored[PASSWORD_HASH_MAX];
    size_t stored_len;
    size_t password_len;
    char password[PASSWORD_BYTES_MAX];
};

static bool refuse(struct call *c)
{
    call_fail_pushback(c, BUSY_PUSHBACK_MS);
    call_fail(c, REASON_OVERLOADED);
    return false;
}

static void leave_place(void *arg)
{
    struct app *app = arg;
    CHECK(app->password_calls > 0);
    app->password_calls--;
}

bool password_take_place(struct call *c, bool is_login)
{
    struct app *app = app_of(c);
    if (app->password_calls >= (is_login ? PASSWORD_CALLS_MAX : PASSWORD_CALLS_MAX / 2))
        return refuse(c);
    app->password_calls++;
    call_defer(c, leave_place, app);
    return true;
}

static void job_run(struct work_job *base)
{
    struct password_job *job = (struct password_job *)base;
    struct str password = {job->password, job->password_len};
    struct str stored = {job->stored, job->stored_len};
    int verdict = job->checks ? password_verify(password, &job->params, stored) : 0;
    job->result.matches = job->checks && verdict == 0;
    job->result.failed = verdict == -ENOMEM;
    if (verdict == 0 && (!job->checks || password_is_outdated(stored, &job->params)))
        job->result.failed = password_hash(password, &job->params, job->salt, job->result.hash) < 0;
    explicit_bzero(job->password, sizeof job->password);
}

static void job_done(struct work_job *base)
{
    struct password_job *job = (struct password_job *)base;
    *job->ret = job->result;
}

static void job_drop(struct password_job *job)
{
    explicit_bzero(job, sizeof *job);
    free(job);
}

static void job_free(struct work_job *base)
{
    job_drop((struct password_job *)base);
}

static bool job_start(struct call *c, struct str password, struct str stored, bool checks,
                      const uint8_t *salt, struct password_result *ret)
{
    const struct app *app = app_of(c);
    CHECK(password.n <= PASSWORD_BYTES_MAX && stored.n < PASSWORD_HASH_MAX);
    struct password_job *job = calloc(1, sizeof *job);
    CHECK(job);
    job->job.run = job_run;
    job->job.on_done = job_done;
    job->job.on_free = job_free;
    job->params.kib = app->limits.argon2_kib;
    job->params.passes = app->limits.argon2_passes;
    job->ret = ret;
    job->checks = checks;
    memcpy(job->salt, salt, sizeof job->salt);
    memcpy(job->stored, stored.p ? stored.p : "", stored.n);
    job->stored_len = stored.n;
    memcpy(job->password, password.p, password.n);
    job->password_len = password.n;
    if (work_submit(app->work, &job->job, &c->scope) == 0)
        return true;
    job_drop(job);
    return refuse(c);
}

bool password_start_hash(struct call *c, struct str password,
                         const uint8_t salt[static PASSWORD_SALT_BYTES],
                         struct password_result *ret)
{
    return job_start(c, password, (struct str){0}, false, salt, ret);
}

bool password_start_check(struct call *c, struct str password, struct str stored,
                          struct password_result *ret)
{
    uint8_t salt[PASSWORD_SALT_BYTES];
    random_bytes(salt, sizeof salt);
    return job_start(c, password, stored, true, salt, ret);
}
