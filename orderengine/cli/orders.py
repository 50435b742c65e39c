"""`orders stuck` lists orders that stand still; `orders requeue` has recovery look at one now."""

import sys
from collections.abc import Mapping
from uuid import UUID

import click

from orderengine.cli.common import EXIT_FAILED, Refusal, json_option, tell_json, tell_table
from orderengine.cli.operate import operator_ports
from orderengine.domain.home import SIMULATED
from orderengine.domain.order import OrderStatus
from orderengine.execution.operations.archive import OpenOrder

MOST_LOOKED_AT = 1000
COLUMNS = ("orderId", "status", "attempt", "unmovedS", "dueInS", "redispatched", "why", "txHash")
ADVICE = {
    "foreign": "another network or wallet has to continue it, as is said below",
    "unclaimed": "it is due, but no reconciler claims it: is a worker running? (doctor)",
    "network": "the network gives no answer: the order stays as it is until it does",
    "release": "a later release set this status: only workers of that release continue it",
    "workers": "recovery looked, but it did not move: a backlog, or do workers die? (see logs)",
}


@click.group()
def orders() -> None:
    """Orders that stand still (for operators)."""


@orders.command()
@json_option
def stuck(*, as_json: bool) -> None:
    """List open orders that stand still, and why.

    Exits with 1 if there is one. Checks the 1,000 orders that are due for recovery first. It counts
    those of another network or wallet, and names the settings to restore.
    """
    ports = operator_ports()
    foreign = ports.foreign_orders()
    found = [
        (each, why)
        for each in ports.archive.open_orders(MOST_LOOKED_AT)
        if (why := each.reason(ports.stuck_after_s, foreign))
    ]
    rows = [_row(order) | {"why": why} for order, why in found]
    if as_json:
        tell_json({"orders": rows, "foreign": _foreign(foreign)})
    elif not rows:
        click.echo("no order stands still")
    else:
        tell_table(rows, COLUMNS)
        for why in sorted({why for _, why in found}):
            click.echo(f"{why}: {ADVICE[why]}")
    for each in [] if as_json else _foreign(foreign):
        click.echo(_advice_for(each))
    if rows or foreign:
        sys.exit(EXIT_FAILED)


@orders.command()
@click.argument("order_id", metavar="ID", type=click.UUID)
@json_option
def requeue(order_id: UUID, *, as_json: bool) -> None:
    """Make an open order due for recovery now; its state does not change.

    Harmless at any time: a message that is still on its way becomes a duplicate, which moves
    nothing. A submitted order is only looked up, never signed again.
    """
    ports = operator_ports()
    order = ports.archive.make_due(order_id)
    if order is None:
        ended = ports.orders.get(order_id)
        if ended is None:
            raise Refusal(f"there is no order {order_id}")
        is_waiting = ended.status is OrderStatus.WAITING
        why = "it starts when its condition holds" if is_waiting else "there is nothing left to do"
        raise Refusal(f"order {order_id} is {ended.status.value}: {why}")
    if as_json:
        tell_json(_row(order))
        return
    click.echo(
        f"order {order_id} is due now: a reconciler claims it within a second; it stays"
        f" {order.status}, attempt {order.attempt}, version {order.version}"
    )


def _foreign(found: Mapping[tuple[str, str], int]) -> list[dict[str, object]]:
    return [
        {"network": network, "wallet": wallet or None, "orders": total}
        for (network, wallet), total in sorted(found.items())
    ]


def _advice_for(foreign: Mapping[str, object]) -> str:
    """What to set back, so that the orders of another network or wallet end."""
    network, wallet = foreign["network"], foreign["wallet"]
    back = "NETWORK=simulated"
    if network != SIMULATED:
        back = "NETWORK=solana and SOLANA_RPC_URL of that cluster"
    if wallet is not None:
        back = f"NETWORK=solana, SOLANA_RPC_URL of that cluster and the key of wallet {wallet}"
    return f"{foreign['orders']} open orders belong to {network}: set back {back}"


def _row(order: OpenOrder) -> dict[str, object]:
    return {
        "orderId": str(order.order_id),
        "status": order.status,
        "attempt": order.attempt,
        "version": order.version,
        "unmovedS": round(order.unmoved_s, 1),
        "dueInS": round(order.due_in_s, 1),
        "recoveries": order.recoveries,
        "redispatched": order.redispatched,
        "txHash": order.tx_hash,
    }
