/* A booking's life as asks with defaults: user u(1), one seat on flight f(1), 100.00 USD. Booking n
 * has request, intent, attempt, quote and so on n as well, so that tests name what differs and no
 * more. What must stay true: a function that fills an ask runs nothing. */
#pragma once

#include "support.h"

void fill_hold(struct ask *ask, unsigned member, unsigned booking, const char *flights,
               unsigned seats);
void fill_start(struct ask *ask, unsigned member, unsigned booking, bool is_new);
/* The same with a request and an attempt of its own, numbered @number; so is an intent that is new.
 */
void fill_try(struct ask *ask, unsigned member, unsigned booking, bool is_new, unsigned number);
void fill_authorised(struct ask *ask, unsigned member, unsigned booking);
void fill_captured(struct ask *ask, unsigned member, unsigned booking);
void fill_failed(struct ask *ask, unsigned member, unsigned booking, const char *outcome);
void fill_wait(struct ask *ask, unsigned booking, const char *state);
void fill_intent(struct ask *ask, unsigned member, unsigned booking);
void fill_quote(struct ask *ask, unsigned booking, unsigned quote, long long refund_minor,
                long long penalty_minor);
void fill_cancel(struct ask *ask, unsigned booking, unsigned quote);
void fill_refund(struct ask *ask, unsigned booking, unsigned refund, long long amount_minor);
/* payment_refund_succeeded or payment_refund_failed. */
void fill_refund_end(struct ask *ask, const char *statement, unsigned booking, const char *refund);
void fill_expire(struct ask *ask);
/* A login of user u(1) from network n(1) with pair p(1), who may have two. */
void fill_session(struct ask *ask, unsigned session);

/* Done at once on session 0: the refusal or outcome, "" when all went well. */
const char *refusal(const struct ask *ask);
const char *do_hold(unsigned booking, const char *flights, unsigned seats);
const char *do_start(unsigned booking);
const char *do_authorised(unsigned booking);
const char *do_captured(unsigned booking);
const char *do_failed(unsigned booking, const char *outcome);
const char *do_quote(unsigned booking, unsigned quote, long long refund_minor,
                     long long penalty_minor);
const char *do_cancel(unsigned booking, unsigned quote);
const char *do_refund_end(const char *statement, unsigned booking, const char *refund);
const char *do_expire(void); /* how many */
/* A statement of the jobs with one number, and the one column that it answers with. */
const char *do_job(const char *statement, const char *param, int value, const char *column);
/* Held, paid, captured. */
void do_sale(unsigned booking);
/* Held, and ended by a person while an attempt to pay it is out. There is no other booking. */
void do_death(unsigned booking);
/* The lease of a hold passed a minute ago. */
void let_lapse(unsigned booking);

const char *state_of(unsigned booking);
/* How many seats of flight f(n) are taken. */
const char *seats_of(unsigned flight);

/* Session 1 has a transaction open in which @ask is done: the value of that column. */
const char *in_first(const struct ask *ask, const char *column);
/* Session 2 sends @ask and waits for session 1, which commits. */
PGresult *after_wait(const struct ask *ask);
