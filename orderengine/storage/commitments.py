"""What submitted orders may still take from the wallet, and which wallet signs, in PostgreSQL."""

from sqlalchemy import Engine

from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Asset, Side
from orderengine.execution.commitments import Commitment, WalletFigures
from orderengine.postgres.database import BY_INDEX, Row, Statement
from orderengine.storage.reader import ask

OTHER_WALLET_S = 30.0
"""How long a wallet counts as in use after a worker has said so."""

# By the index of due orders, which those that wait for their condition are at the end of.
_SUBMITTED = Statement(
    f"""
SELECT id, tx_hash, symbol, side, quote_quantity, limit_amount, quote_amount, base_amount
FROM orders WHERE due_at < 'infinity' AND status = '{OrderStatus.SUBMITTED}'
ORDER BY due_at""",  # noqa: S608 - composed of constants
    BY_INDEX,
)

_CLAIM = Statement(
    """
INSERT INTO wallets (network, wallet, lamports, usdc, slots_behind)
VALUES (:network, :wallet, CAST(:lamports AS numeric), CAST(:usdc AS numeric),
        CAST(:slots_behind AS integer))
ON CONFLICT (network) DO UPDATE SET wallet = excluded.wallet, seen_at = now(),
    lamports = coalesce(excluded.lamports, wallets.lamports),
    usdc = coalesce(excluded.usdc, wallets.usdc),
    slots_behind = coalesce(excluded.slots_behind, wallets.slots_behind)
WHERE wallets.wallet = excluded.wallet
   OR wallets.seen_at < now() - make_interval(secs => :other_wallet_s)
RETURNING wallet"""
)


class SqlCommitments:
    """Implements `execution.commitments.Commitments`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submitted(self) -> list[Commitment]:
        """What each submitted order may still take."""
        return [_commitment(row) for row in ask(self._engine, _SUBMITTED, {})]


class SqlWallets:
    """Implements `execution.commitments.Wallets`."""

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


def _commitment(row: Row) -> Commitment:
    """A buy pays USDC, a sale the base asset; what is not exact is paid up to the limit."""
    exact = Asset.BASE if row.quote_quantity is None else Asset.QUOTE
    paid = Asset.QUOTE if row.side == Side.BUY.value else Asset.BASE
    if paid is not exact:
        most = row.limit_amount
    else:
        most = row.quote_amount if paid is Asset.QUOTE else row.base_amount
    return Commitment(row.id, row.tx_hash, row.symbol, paid, int(most))
