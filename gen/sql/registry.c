/* Made by sqlgen: do not edit. */
#include "registry.h"

#include <stddef.h>

#include "auth.sql.h"
#include "booking.sql.h"
#include "flight.sql.h"
#include "jobs.sql.h"
#include "payment.sql.h"
#include "reference.sql.h"
#include "shared.sql.h"

const struct db_statement *const sql_statements[] = {
    &auth_create_user_statement,
    &auth_login_begin_statement,
    &auth_login_failed_statement,
    &auth_create_session_statement,
    &auth_get_session_statement,
    &auth_refresh_session_statement,
    &auth_end_session_statement,
    &auth_get_user_statement,
    &auth_list_sessions_statement,
    &auth_list_revocations_statement,
    &booking_hold_statement,
    &booking_claim_seats_statement,
    &booking_get_statement,
    &booking_owner_statement,
    &booking_seats_statement,
    &booking_list_statement,
    &booking_events_statement,
    &booking_quote_statement,
    &booking_cancellation_statement,
    &booking_cancel_statement,
    &flight_find_flights_statement,
    &flight_count_seats_statement,
    &flight_read_flight_statement,
    &flight_read_seats_statement,
    &flight_begin_timetable_statement,
    &flight_read_departures_statement,
    &flight_read_changes_statement,
    &jobs_sweep_begin_statement,
    &jobs_sweep_move_statement,
    &jobs_expire_statement,
    &jobs_release_watches_statement,
    &jobs_due_attempts_statement,
    &jobs_due_refunds_statement,
    &jobs_prune_claims_statement,
    &jobs_prune_throttles_statement,
    &jobs_prune_accounts_statement,
    &jobs_prune_changes_statement,
    &jobs_expire_quotes_statement,
    &payment_start_statement,
    &payment_authorised_statement,
    &payment_captured_statement,
    &payment_failed_statement,
    &payment_wait_statement,
    &payment_attention_statement,
    &payment_intent_create_statement,
    &payment_get_statement,
    &payment_refund_create_statement,
    &payment_refund_get_statement,
    &payment_refund_wait_statement,
    &payment_refund_succeeded_statement,
    &payment_refund_failed_statement,
    &reference_read_installation_statement,
    &reference_read_airports_statement,
    &reference_read_airlines_statement,
    &reference_read_aircraft_statement,
    &reference_read_cabins_statement,
    &reference_read_brands_statement,
    &reference_read_buckets_statement,
    &reference_read_taxes_statement,
    &reference_read_connections_statement,
    &reference_read_zones_statement,
    &reference_read_routes_statement,
    &shared_idempotency_read_statement,
    NULL,
};
