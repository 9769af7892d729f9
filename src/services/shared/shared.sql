-- Statements that several services use.

-- name: idempotency_read(principal uuid, method int2, request_id uuid) -> maybe (fingerprint bytea, resource uuid?,
--   reason text?, response bytea?, create_time timestamptz)
-- What an earlier attempt with this request_id left. Not marked read: it must see the commit that just won the claim,
-- so it never goes to a standby. The lock is a write: what is answered from this has reached the synchronous standby. A
-- backend that ended while it waited for that has committed all the same.
SELECT fingerprint, resource, reason, response, create_time
  FROM idempotency
 WHERE principal = @principal AND method = @method AND request_id = @request_id
   FOR KEY SHARE;
