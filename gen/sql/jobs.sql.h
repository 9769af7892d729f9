/* Made by sqlgen from jobs.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct jobs_sweep_begin_row {
    int64_t watermark;
};

/* Where a process that starts goes on: it neither walks over all bookings that there are, nor leaves out what lapsed while
 * nobody swept, however long that was. Where the clock was set back, holds have lapsed behind the watermark: with the first of
 * them, among the leases of the last day and no more of those than are read in a moment. The minute is LAG_US of sweep.c.
 * Scans: booking */
void jobs_sweep_begin(struct call *c, struct jobs_sweep_begin_row *ret);

/* Forward only: several servers may sweep, each with a watermark of its own. But one that the clock has not reached was
 * written before it was set back. */
void jobs_sweep_move(struct call *c,
    int64_t watermark);

struct jobs_expire_row {
    int32_t found;
    int32_t expired;
    int64_t clock;
    int64_t horizon;
};

/* Unpaid holds past their lease give their seats back. @until: not farther than this in one go. Who is being changed by
 * somebody else is left for the next round, and so is whose intent is in use or too young to be seen, and to be ended, here:
 * nothing is waited for but inventory, in the order that everybody keeps. @found: with those that were left.
 * @horizon: when the oldest of those who may be changing something began. A commit can wait for its standby for long, and
 * its booking, HELD again, is not seen by then.
 * Scans: booking
 * Spans: booking_id, flight_id */
void jobs_expire(struct call *c, struct jobs_expire_row *ret,
    int64_t after,
    int64_t until,
    int32_t row_count);

struct jobs_release_watches_row {
    int32_t taken;
};

/* Attempts that their calls have left alone, as they were when the watch was set, for too long fall due. Those that went on
 * have a younger watch. Each watch is of up to a batch of attempts, looked up as one array, in order: of a join the planner
 * expects so much, not knowing how many are due, that it would read all attempts instead; or of watches, planned while there
 * were few, all for each. Nothing is waited for: a watch of what somebody else is changing is put off, out of the way of those
 * behind it. @taken: of @row_count watches.
 * Scans: payment_watch */
void jobs_release_watches(struct call *c, struct jobs_release_watches_row *ret,
    int32_t row_count);

struct jobs_due_attempts_row {
    struct uuid booking_id;
    struct uuid attempt_id;
    struct uuid intent_id;
    struct str state;
    struct str booking_state;
    bool has_provider_reference;
    struct str provider_reference;
    int64_t amount_minor;
    struct str currency;
    int32_t inquiry_count;
    int64_t age_seconds;
    bool pin_passed;
};

struct jobs_due_attempts_rows {
    struct jobs_due_attempts_row *rows;
    uint32_t count;
    bool truncated;
};

/* Attempts to look at, taken for @lease_seconds: if this process dies, they are due again.
 * Both rows are locked, so that they tell of one moment: an attempt just AUTHORIZED beside its booking as it was before
 * that would look like money for nothing, and be voided. Nothing is waited for.
 * Scans: booking, payment */
void jobs_due_attempts(struct call *c, struct jobs_due_attempts_rows *ret,
    struct str provider,
    int32_t row_count,
    int32_t lease_seconds);

struct jobs_due_refunds_row {
    struct uuid booking_id;
    struct uuid refund_id;
    struct str state;
    int64_t amount_minor;
    struct str currency;
    bool has_payment_reference;
    struct str payment_reference;
    bool is_known;
    int32_t try_count;
    int32_t inquiry_count;
    int64_t sent_age_seconds;
};

struct jobs_due_refunds_rows {
    struct jobs_due_refunds_row *rows;
    uint32_t count;
    bool truncated;
};

/* Refunds of what @provider took. One that was only RESERVED is marked as sent before a byte leaves; @state is what it was.
 * @is_known: the provider has acknowledged it. Payments are looked up one by one: for a join all of them might be read.
 * Scans: refund */
void jobs_due_refunds(struct call *c, struct jobs_due_refunds_rows *ret,
    struct str provider,
    int32_t row_count,
    int32_t lease_seconds);

struct jobs_backlog_row {
    int32_t payments;
    bool has_payments_since;
    int64_t payments_since;
    int32_t refunds;
    bool has_refunds_since;
    int64_t refunds_since;
    int32_t attention;
    bool has_attention_since;
    int64_t attention_since;
};

/* What is not over, for those who watch: payments and refunds whose end is not known yet, what waits for a person, and since
 * when. @row_count: of each, no more are looked at. What never arrived at the provider is asked for once more, and no longer
 * open. The conditions on times are there for the indexes.
 * Scans: payment, refund, attention_item */
void jobs_backlog(struct call *c, struct jobs_backlog_row *ret,
    int32_t row_count);

struct jobs_prune_claims_row {
    int32_t pruned;
};

/* Claims of cheap calls after a day, of those that hold seats or move money after thirty: up to @row_count of each.
 * Scans: idempotency */
void jobs_prune_claims(struct call *c, struct jobs_prune_claims_row *ret,
    int32_t row_count);

struct jobs_prune_throttles_row {
    bool has_next;
    struct uuid next;
    int32_t pruned;
};

/* Failed logins that are forgotten, among the next @row_count keys: an index by time would be written by each failure.
 * @next: where to go on; none: all have been seen. Who is logging in holds two of them, in an order of his own: passed over.
 * Scans: login_throttle */
void jobs_prune_throttles(struct call *c, struct jobs_prune_throttles_row *ret,
    struct uuid after,
    int32_t row_count);

struct jobs_prune_accounts_row {
    bool has_next;
    struct uuid next;
    int32_t pruned;
};

/* Of the next @user_count users: sessions that have been over for ninety days, revocations of tokens that are no longer good,
 * and what happened more than four hundred days ago, up to @row_count of each; where there may be more, @next is @after again.
 * Looked up as one array: a join might read all sessions.
 * Scans: app_user */
void jobs_prune_accounts(struct call *c, struct jobs_prune_accounts_row *ret,
    struct uuid after,
    int32_t user_count,
    int32_t row_count);

struct jobs_prune_changes_row {
    int32_t pruned;
};

/* What every timetable in memory has seen by now: it reads all anew when it has not looked for half as long.
 * Scans: inventory_change */
void jobs_prune_changes(struct call *c, struct jobs_prune_changes_row *ret,
    int32_t row_count);

struct jobs_expire_quotes_row {
    int32_t expired;
};

/* Quotes nobody confirmed. A minute of grace: who confirms at the last moment meets the quote, not this.
 * Scans: cancellation */
void jobs_expire_quotes(struct call *c, struct jobs_expire_quotes_row *ret,
    int32_t row_count);

extern const struct db_statement jobs_sweep_begin_statement;
extern const struct db_statement jobs_sweep_move_statement;
extern const struct db_statement jobs_expire_statement;
extern const struct db_statement jobs_release_watches_statement;
extern const struct db_statement jobs_due_attempts_statement;
extern const struct db_statement jobs_due_refunds_statement;
extern const struct db_statement jobs_backlog_statement;
extern const struct db_statement jobs_prune_claims_statement;
extern const struct db_statement jobs_prune_throttles_statement;
extern const struct db_statement jobs_prune_accounts_statement;
extern const struct db_statement jobs_prune_changes_statement;
extern const struct db_statement jobs_expire_quotes_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const jobs_statements[];
