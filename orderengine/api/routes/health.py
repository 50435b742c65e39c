"""Liveness and readiness of a web process."""

from typing import TYPE_CHECKING

import structlog

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.answers.schemas import HealthSchema
from orderengine.api.context import current_ports
from orderengine.api.description import answer_examples
from orderengine.api.description.openapi import ApiBlueprint
from orderengine.config.settings import libpq_note
from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.fields import Document
from orderengine.domain.home import SIMULATED
from orderengine.execution.operations.figures import OpenOrders
from orderengine.execution.ports import Probes

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

log = structlog.get_logger(__name__)

SILENT_S = 20.0
"""After this long without an answer of a node to any worker, which ask every 5 s, all are down."""

blueprint = ApiBlueprint("health", __name__, description="Health checks.")


@blueprint.get("/livez")
@blueprint.doc(operationId="getLiveness", security=[])
@blueprint.response(200, HealthSchema, example=answer_examples.ALIVE)
@blueprint.problems(ErrorCode.BAD_REQUEST)
def get_liveness() -> Document:
    """Report that the process answers.

    It checks nothing else, so frequent requests cost next to nothing.
    """
    return {"status": "ok"}


@blueprint.get("/readyz")
@blueprint.doc(operationId="getReadiness", security=[])
@blueprint.response(200, HealthSchema, example=answer_examples.READY)
@blueprint.problems(ErrorCode.NOT_READY, ErrorCode.RATE_LIMITED)
def get_readiness() -> Document:
    """Report whether orders can be accepted, and which dependencies are missing.

    `nodes`: no node of the live network has answered a worker for 20 seconds.
    `stuck`: the network has given no answer about some submitted orders for too long.
    `foreign_orders`: open orders of another network or wallet, which are left alone.
    `trading`: the operator has halted the start of waiting orders and the signing of all.
    `connections`: within the last minute a request found no free connection to PostgreSQL.
    """
    ports = current_ports()
    fault = ports.probes.database_fault()
    if fault is not None:
        raise Refused(503, ErrorCode.NOT_READY, fault.detail)
    causes = dict(ports.probes.degraded())
    if ports.probes.lacks_connections():
        causes["connections"] = "none_left"
    if _is_halted(ports):
        causes["trading"] = "halted"
    answer: Document = {}
    found = ports.monitor.open_orders()
    if found is not None:
        answer = {"oldestOpenOrderS": round(found.oldest_s, 3), "stuckOrders": found.stuck}
        if found.stuck:
            causes["stuck"] = "network"
        if ports.network != SIMULATED and "worker" not in causes and _is_silent(found):
            causes["nodes"] = "no_answer"
        if found.foreign:
            causes["foreign_orders"] = "another_network"
            answer["foreignOrders"] = sum(found.foreign.values())
    status = "degraded" if causes else "ok"
    answer["network"] = ports.network
    return {"status": status, "degraded": list(causes), "causes": causes, **answer}


def _is_silent(found: OpenOrders) -> bool:
    return all(wallet.told_s > SILENT_S for wallet in found.wallets)


def _is_halted(ports: "WebPorts") -> bool:
    try:
        return ports.halts.is_halted()
    except StorageUnavailable:
        return False  # the next probe of the database tells


def tell_what_is_missing(probes: Probes) -> None:
    """Log missing dependencies at start: nothing else does before the first request."""
    fault = probes.database_fault()
    if fault is not None:
        log.warning("not_ready", setting="DATABASE_URL", error=fault.detail + libpq_note())
    fields: dict[str, str] = {}
    if (trouble := probes.redis_trouble()) is not None:
        fields = {"cause": trouble[0], "error": trouble[1]}
    elif (cause := probes.degraded().get("redis")) is not None:
        fields = {"cause": cause}
    if fields:
        log.warning("degraded", setting="REDIS_URL", missing="redis", **fields)
