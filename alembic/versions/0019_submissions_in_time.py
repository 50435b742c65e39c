"""No transaction is stored for an order whose time has passed, whoever held its row meanwhile.

A statement that waits for a row looks at its condition again only if the row has changed. So the
condition of a move tells of the time before the wait, if the row's lock was held by a transaction
that changed nothing. The trigger runs at the end of the statement. The release before works on: it
signs in time, or not at all.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION refuse_a_late_submission() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF clock_timestamp() >= NEW.expires_at THEN
        RAISE EXCEPTION 'the time of order % has passed', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER orders_submitted_in_time
AFTER UPDATE ON orders FOR EACH ROW
WHEN (NEW.expires_at IS NOT NULL AND NEW.status = 'submitted' AND OLD.status <> 'submitted')
EXECUTE FUNCTION refuse_a_late_submission()"""


def upgrade() -> None:
    op.execute(REFUSE)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER orders_submitted_in_time ON orders")
    op.execute("DROP FUNCTION refuse_a_late_submission()")
