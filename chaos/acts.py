"""Single actions that break and heal a rig; each returns how often it had an effect."""

import json
import re
import signal
from collections.abc import Callable

from sqlalchemy import text

from chaos.evidence import read_patiently
from chaos.invariants import POSTGRES, REDIS
from chaos.messages import Copier, take_away, workers_held
from chaos.process_tree import EXIT_LIMIT_S
from chaos.rig import WEB, WORKER_IS_READY, Rig
from harness.processes import START_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.storage import claims, moves, sql

Act = Callable[[Rig], int]

MOVES_AN_ORDER = [
    f"EXECUTE {statement.name}".encode()
    for statement in (sql.ACCEPT, sql.ACCEPT_ALL, claims.CLAIM_PENDING, *moves.MOVES.values())
]
"""The bytes of each write that decides; a process has prepared the statement before."""
NO_BYTE = 1
TAKEN_OVER_S = 20.0


def kill_worker(rig: Rig) -> int:
    """SIGKILL a worker; a new one starts at once."""
    rig.restart(rig.rng.choice(rig.workers))
    rig.healed()
    return 1


def kill_web(rig: Rig) -> int:
    """SIGKILL the web, with its sockets; a new one starts at once."""
    rig.restart(WEB)
    rig.healed()
    return 1


def freeze_worker(rig: Rig) -> int:
    """SIGSTOP a worker until its orders have been taken over, then continue it."""
    name = rig.rng.choice(rig.workers)
    rig.send(name, signal.SIGSTOP)
    rig.pause(TAKEN_OVER_S)
    rig.send(name, signal.SIGCONT)
    rig.healed()
    return 1


def stop_all_workers(away_s: float) -> Act:
    """SIGKILL every worker, and so every reconciler; restart them later."""

    def act(rig: Rig) -> int:
        for name in rig.workers:
            rig.kill(name)
        rig.pause(away_s)
        for name in rig.workers:
            rig.restart(name)
        rig.healed()
        return 1

    return act


def deploy(rig: Rig) -> int:
    """SIGTERM everything, sometimes twice; start the successors when all have ended."""
    names = [WEB, *rig.workers]
    readies = {name: rig.count_in_log(name, WORKER_IS_READY) for name in rig.workers}
    for name in names:
        rig.send(name, signal.SIGTERM)
    if rig.rng.random() < 0.5:
        rig.pause(0.05, 0.5)
        for name in names:
            rig.send(name, signal.SIGTERM)
    for name in names:
        code = rig.wait_end(name)
        if code != 0:
            limit = f"not within {EXIT_LIMIT_S:.0f} s" if code is None else f"with {code}"
            rig.complaints.append(f"after SIGTERM {name} ended {limit}")
            rig.kill(name)
    for name in names:
        rig.launch(name)
    for name, count in readies.items():
        rig.wait_ready_again(name, count)
    rig.wait_ready()
    rig.healed()
    return 1


def flush_redis(rig: Rig) -> int:
    """FLUSHALL while messages wait: deletes messages and cache."""
    with workers_held(rig):
        rig.redis.flushall()
    rig.healed()
    return 1


def restart_redis_empty(rig: Rig) -> int:
    """SIGKILL Redis while messages wait; restart it a moment later without its data."""
    with rig.outage(REDIS):
        with workers_held(rig):
            rig.servers.redis.kill()
        rig.pause(0.2, 1.0)
        rig.restart_redis(empty=True)
    return 1


def freeze_redis(away_s: float) -> Act:
    """SIGSTOP Redis: connections stay open and nothing answers."""

    def act(rig: Rig) -> int:
        with rig.outage(REDIS):
            rig.signal_redis(signal.SIGSTOP)
            rig.pause(away_s)
            rig.signal_redis(signal.SIGCONT)
        return 1

    return act


def fill_redis(away_s: float) -> Act:
    """Set maxmemory to one byte: Redis refuses every write that needs memory."""

    def act(rig: Rig) -> int:
        with rig.outage(REDIS):
            rig.redis.config_set("maxmemory", NO_BYTE)
            rig.pause(away_s)
            rig.redis.config_set("maxmemory", 0)
        return 1

    return act


def kill_redis_clients(rig: Rig) -> int:
    """CLIENT KILL all connections except our own."""
    killed = sum(
        int(rig.redis.client_kill_filter(_type=kind, skipme=True)) for kind in ("normal", "pubsub")
    )
    rig.healed()
    return killed


def break_redis_link(rig: Rig) -> int:
    """Break the network before Redis: reset all connections, or go silent for seconds."""
    with rig.outage(REDIS):
        if rig.rng.random() < 0.5:
            rig.to_redis.cut()
        else:
            rig.to_redis.stall()
            rig.pause(1.0, 4.0)
            rig.to_redis.cut()
            rig.to_redis.flow()
    return 1


def restart_postgres(rig: Rig) -> int:
    """Shut PostgreSQL down immediately, as in a crash, and restart it a moment later."""
    with rig.outage(POSTGRES):
        rig.servers.postgres.kill()
        rig.pause(0.2, 1.5)
        rig.servers.postgres.start()
    return 1


def terminate_backend(rig: Rig) -> int:
    """End a random connection of the engine, whatever it is doing."""
    with rig.database.connect() as connection:
        pids = connection.execute(
            text(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'orderengine-%'"
                " ORDER BY (state = 'active') DESC, query_start DESC LIMIT 4"
            )
        ).scalars()
        chosen = rig.rng.choice(list(pids) or [0])
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": chosen})
    rig.healed()
    return 1


def break_postgres_link(rig: Rig) -> int:
    """Break the network before PostgreSQL: reset all connections, or go silent for seconds."""
    with rig.outage(POSTGRES):
        if rig.rng.random() < 0.5:
            rig.to_postgres.cut()
        else:
            rig.to_postgres.stall()
            rig.pause(1.0, 4.0)
            rig.to_postgres.cut()
            rig.to_postgres.flow()
    return 1


def swallow_commits(count: int, limit_s: float = 60.0) -> Act:
    """Execute moves of orders but drop the answer of one in five."""

    def act(rig: Rig) -> int:
        before = rig.to_postgres.swallowed
        rig.to_postgres.swallow(MOVES_AN_ORDER, rate=0.2, count=count)
        wait_until(
            lambda: rig.to_postgres.swallowed >= before + count,
            limit_s,
            f"{count} answers were not swallowed",
        )
        rig.healed()
        return count

    return act


def copy_messages(count: int, limit_s: float = 300.0) -> Act:
    """Publish messages five more times, until `count` copies are made."""

    def act(rig: Rig) -> int:
        with Copier(rig) as copier:
            wait_until(lambda: copier.copies >= count, limit_s, f"{count} copies were not made")
        rig.healed()
        return copier.copies

    return act


def lose_messages(rig: Rig) -> int:
    """Remove half of the waiting messages from their queues."""
    with workers_held(rig):
        removed = take_away(rig)
    rig.healed()
    return removed


def switch_network_off(away_s: float) -> Act:
    """Turn the settlement network off; submitted orders must stay submitted."""

    def act(rig: Rig) -> int:
        rig.switch_network(up=False)
        rig.pause(1.0)  # an answer that the network gave just before still counts
        before = rig.submitted()
        rig.pause(away_s)
        left = before - rig.submitted()
        is_seen = _shows_stuck_orders(rig)
        rig.switch_network(up=True)
        if before and not is_seen:
            rig.complaints.append("no order is shown as stuck while the network is away")
        if left:
            rig.complaints.append(f"{len(left)} orders left `submitted` without the network's word")
        rig.healed()
        return 1

    return act


def _shows_stuck_orders(rig: Rig) -> bool:
    """True if `/metrics` and `/readyz` both report orders that wait for the network."""
    metrics = read_patiently(rig.port, "/metrics")
    found = re.search(r"^orderengine_stuck_orders (\S+)$", metrics, re.MULTILINE)
    readiness = json.loads(read_patiently(rig.port, "/readyz"))
    return found is not None and float(found[1]) > 0 and "stuck" in readiness["degraded"]


def lose_power(rig: Rig) -> int:
    """SIGKILL all processes and both servers at once; then start everything."""
    names = [WEB, *rig.workers]
    readies = {name: rig.count_in_log(name, WORKER_IS_READY) for name in rig.workers}
    for name in names:
        rig.send(name, signal.SIGKILL)
    rig.servers.redis.kill()
    rig.kill_postgres()
    for name in names:
        rig.wait_end(name)
    rig.servers.postgres.start()
    rig.servers.redis.start()
    for name in names:
        rig.launch(name)
    for name, count in readies.items():
        rig.wait_ready_again(name, count)
    wait_until(lambda: rig.answers("/livez"), START_TIMEOUT_S, "web is not ready")
    rig.healed()
    return 1
