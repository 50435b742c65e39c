"""Methods that no real node has: the ledger as evidence, and faults on demand."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from orderengine.localnet.errors import invalid_params
from orderengine.localnet.meta import token_deltas
from orderengine.localnet.methods.params import Params
from orderengine.localnet.views import MOST_LAG, View

Document = dict[str, Any]


def ledger(view: View, params: Params) -> Any:
    """Every landing after the slot `after`, oldest first, with what each token account gained.

    `forked` names the transactions whose blocks were forked away. No fault changes this answer.
    """
    node, after = view.node, params.config(0).get("after", 0)
    landings = [
        {
            "signature": each.signature,
            "slot": each.slot,
            "err": json.loads(each.failure),
            "memo": each.memo,
            "deltas": token_deltas(each.meta, each.content),
        }
        for each in node.store.landings_down(first=after + 1, last=node.blocks[-1].slot)
    ]
    forked = [{"signature": signature, "slot": slot} for signature, slot in node.store.forked()]
    return {
        "genesisHash": node.genesis,
        "height": node.blocks[-1].height,
        "landings": landings[::-1],
        "forked": forked,
    }


def requests(view: View, _params: Params) -> Any:
    """How many requests of each method this URL has carried out since the node started."""
    return dict(view.requests)


def fault(view: View, params: Params) -> Any:
    """Break what the object names, for this URL of the node or for its blocks; see README.md."""
    wanted = params.config(0)
    unknown = wanted.keys() - _FAULTS.keys()
    if unknown:
        raise invalid_params(f"unknown faults: {', '.join(sorted(unknown))}")
    for name, value in wanted.items():
        try:
            _FAULTS[name](view, value)
        except (TypeError, ValueError) as error:
            raise invalid_params(f"{name}: {error}") from error
    return _state(view)


def _state(view: View) -> Document:
    traffic = view.node.traffic
    return {
        "answerLossRate": view.answer_loss_rate,
        "sendLossRate": view.send_loss_rate,
        "latencyMs": round(view.latency_s * 1_000),
        "lagBlocks": view.lag_blocks,
        "firstSlot": view.first_slot,
        "keepsHistory": view.keeps_history,
        "refuses": view.refuses(),
        "held": traffic.held,
        "landingBlocks": traffic.landing_blocks,
    }


def _rate(value: object) -> float:
    return _number(value, 1.0)


def _number(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        message = f"must be a number from 0 to {most:g}"
        raise ValueError(message)
    return float(value)


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        message = f"must be an integer from {least} to {most}"
        raise ValueError(message)
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _set_lag(view: View, value: object) -> None:
    view.lag_blocks = _whole(value, 0, MOST_LAG)


def _set_send_loss(view: View, value: object) -> None:
    view.send_loss_rate = _rate(value)


def _set_answer_loss(view: View, value: object) -> None:
    view.answer_loss_rate = _rate(value)


def _set_latency(view: View, value: object) -> None:
    view.latency_s = _number(value, 60_000) / 1_000


def _set_history(view: View, value: object) -> None:
    view.keeps_history = _truth(value)


def _refuse(view: View, value: object) -> None:
    view.refuses_until = time.monotonic() + _number(value, 3_600)


def _forget(view: View, value: object) -> None:
    # As a node does that was started from a snapshot of the newest block.
    view.first_slot = view.node.blocks[-1].slot + 1 if _truth(value) else 0


def _hold(view: View, value: object) -> None:
    view.node.traffic.held = _truth(value)


def _set_landing_blocks(view: View, value: object) -> None:
    view.node.traffic.landing_blocks = _whole(value, 1, 1_000)


def _fork(view: View, value: object) -> None:
    if _truth(value):
        view.node.fork_away()


def _seed(view: View, value: object) -> None:
    view.draws.seed(_whole(value, 0, 2**63))


_FAULTS: Mapping[str, Callable[[View, object], None]] = {
    "seed": _seed,
    "lagBlocks": _set_lag,
    "sendLossRate": _set_send_loss,
    "answerLossRate": _set_answer_loss,
    "latencyMs": _set_latency,
    "keepsHistory": _set_history,
    "refuseS": _refuse,
    "forget": _forget,
    "held": _hold,
    "landingBlocks": _set_landing_blocks,
    "forkAway": _fork,
}
