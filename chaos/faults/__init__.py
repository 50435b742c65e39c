"""The faults, in the order in which they run."""

from collections.abc import Mapping

from chaos.fault import Fault
from chaos.faults import (
    backlog,
    broker,
    fail_points,
    list_storm,
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
        messages,
        backlog,
        network,
        list_storm,
        soak,
    )
    for fault in group.FAULTS
}
