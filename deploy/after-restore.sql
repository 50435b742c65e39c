-- After PostgreSQL went back to an earlier moment, and before a worker starts: end the orders that
-- were not signed yet. Some of them went on after that moment, and would be executed a second time.
-- Those that were signed stay: their signed bytes are here, and the network is asked about them.
-- Lists what it has ended, so that their clients can be told (docs/operations.md).
WITH o AS (
    UPDATE orders
    SET status = 'failed', version = version + 1, due_at = NULL, redispatched = 0,
        updated_at = now(), failure_reason = 'ENGINE_ERROR',
        failed_attempts = failed_attempts || jsonb_build_object(
            'attempt', attempt, 'reason', 'ENGINE_ERROR',
            'detail', 'the database was restored; the order may have been executed before that')
    WHERE status IN ('waiting', 'pending', 'routing', 'building')
    RETURNING *
), event AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
    SELECT id, version, status, attempt, updated_at, failed_attempts -> -1 #- '{attempt}' FROM o
)
SELECT id, client_id, symbol, side, quantity, created_at FROM o ORDER BY created_at;
