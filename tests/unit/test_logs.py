"""What no line of a log may tell."""

import pytest

from orderengine.domain.access import key_text, ticket_text
from orderengine.logs import withhold_secrets

KEY_ID = "0123456789ab"
SECRET = "Aa0_-" * 8 + "xyz"  # as long as a real one


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"GET /api/orders/{key_text(KEY_ID, SECRET)}", f"GET /api/orders/oe_{KEY_ID}_[...]"),
        (f"?ticket={ticket_text(SECRET)}&after=1", "?ticket=oet_[...]&after=1"),
        (f'{{"a": "Bearer {key_text(KEY_ID, SECRET)}"}}', f'{{"a": "Bearer oe_{KEY_ID}_[...]"}}'),
        (f"cut short: oe_{KEY_ID}_{SECRET[:9]}", f"cut short: oe_{KEY_ID}_[...]"),
        (f"revoked {KEY_ID}, shoe_size oe_12_x", f"revoked {KEY_ID}, shoe_size oe_12_x"),
    ],
)
def test_of_a_key_or_ticket_only_its_id_is_left(line: str, kept: str) -> None:
    assert withhold_secrets(None, "info", line) == kept
