"""The faults, in the order in which they run."""

from collections.abc import Mapping

from chaos.fault import Fault
from chaos.faults import (
    backlog,
    broker,
    cancel_storm,
    fail_points,
    groups,
    groups_die,
    groups_split,
    list_storm,
    localnet,
    messages,
    network,
    postgres,
    postgres_failover,
    processes,
    redis,
    redis_failover,
    soak,
)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for group in (
        fail_points,
        processes,
        redis,
        redis_failover,
        broker,
        postgres,
        postgres_failover,
        groups_die,
        groups,
        groups_split,
        messages,
        backlog,
        network,
        localnet,
        cancel_storm,
        list_storm,
        soak,
    )
    for fault in group.FAULTS
}
