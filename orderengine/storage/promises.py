"""What swaps are promised of a wallet, and which wallet signs, in PostgreSQL."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Engine

from orderengine.domain.order import OrderStatus
from orderengine.execution.promises import Purse, Taken, WalletFigures, Wanted
from orderengine.postgres.arrays import BY_KEY, array
from orderengine.postgres.database import ON_THE_SERVER, Statement
from orderengine.storage.reader import ask

OTHER_WALLET_S = 30.0
"""How long a wallet counts as in use after a worker has said so."""
PROMISED_S = 15.0
"""How long a promise counts whose order is not found to be submitted.

By then its swap was signed and stored, or never will be; and what has landed is in the balances of
any node that is not too late to be used.
"""

_COLUMNS = {
    "ids": "uuid",
    "mints": "text",
    "units": "numeric",
    "lamports": "numeric",
    "units_held": "numeric",
    "lamports_held": "numeric",
}

_PROMISE = Statement(
    f"""
SELECT * FROM promise_funds(:network, :wallet, :kept_s, CAST(:landed AS uuid[]),
    {", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())})""",  # noqa: S608
    {**BY_KEY, **ON_THE_SERVER},
)

_SIGNED = Statement(
    """
SELECT p.order_id, o.tx_hash FROM wallet_promises p
CROSS JOIN LATERAL (SELECT tx_hash FROM orders WHERE id = p.order_id LIMIT 1) AS o
WHERE p.network = :network AND p.wallet = :wallet AND o.tx_hash IS NOT NULL""",
    BY_KEY,
)

_WITHDRAW = Statement(
    f"""
DELETE FROM wallet_promises p
WHERE p.network = :network AND p.wallet = :wallet AND p.order_id = ANY(CAST(:ids AS uuid[]))
  AND (SELECT o.status FROM orders o WHERE o.id = p.order_id)
      IS DISTINCT FROM '{OrderStatus.SUBMITTED}'
RETURNING p.order_id""",  # noqa: S608 - composed of constants
    BY_KEY,
)

_CLAIM = Statement(
    """
INSERT INTO wallets (network, wallet, lamports, usdc, slots_behind, told_at)
VALUES (:network, :wallet, CAST(:lamports AS numeric), CAST(:usdc AS numeric),
        CAST(:slots_behind AS integer),
        CASE WHEN CAST(:lamports AS numeric) IS NOT NULL THEN now() END)
ON CONFLICT (network) DO UPDATE SET wallet = excluded.wallet, seen_at = now(),
    lamports = coalesce(excluded.lamports, wallets.lamports),
    usdc = coalesce(excluded.usdc, wallets.usdc),
    slots_behind = coalesce(excluded.slots_behind, wallets.slots_behind),
    told_at = coalesce(excluded.told_at, wallets.told_at)
WHERE wallets.wallet = excluded.wallet
   OR wallets.seen_at < now() - make_interval(secs => :other_wallet_s)
RETURNING wallet"""
)


class SqlPromises:
    """Implements `execution.promises.Promises`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def promise(
        self, purse: Purse, wanted: Sequence[Wanted], landed: Collection[UUID] = ()
    ) -> Taken | None:
        """Promise all of these, or none: then what is taken."""
        values = {
            **_purse(purse),
            "kept_s": PROMISED_S,
            "landed": array(list(landed)),
            "ids": array([each.order_id for each in wanted]),
            "mints": [each.mint for each in wanted],
            "units": array([each.units for each in wanted]),
            "lamports": array([each.lamports for each in wanted]),
            "units_held": array([each.units_held for each in wanted]),
            "lamports_held": array([each.lamports_held for each in wanted]),
        }
        (row,) = ask(self._engine, _PROMISE, values)
        return None if row.is_promised else Taken(int(row.units_taken), int(row.lamports_taken))

    def signed(self, purse: Purse) -> list[tuple[UUID, str]]:
        """The orders with a promise whose signatures are stored, with these."""
        rows = ask(self._engine, _SIGNED, _purse(purse))
        return [(row.order_id, row.tx_hash) for row in rows]

    def withdraw(self, purse: Purse, order_ids: Collection[UUID]) -> None:
        """Give back what was promised to orders that are not submitted."""
        ask(self._engine, _WITHDRAW, {**_purse(purse), "ids": array(sorted(order_ids))})


def _purse(purse: Purse) -> dict[str, str]:
    return {"network": purse.network, "wallet": purse.wallet}


class SqlWallets:
    """Implements `execution.promises.Wallets`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, network: str, wallet: str, figures: WalletFigures | None = None) -> bool:
        """Say that this wallet signs on a network; False if another one did a moment ago."""
        values = {
            "network": network,
            "wallet": wallet,
            "lamports": figures and figures.lamports,
            "usdc": figures and figures.usdc,
            "slots_behind": figures and figures.slots_behind,
            "other_wallet_s": OTHER_WALLET_S,
        }
        return bool(ask(self._engine, _CLAIM, values))
