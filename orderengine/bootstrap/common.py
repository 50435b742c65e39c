"""The parts shared by several kinds of processes."""

from orderengine.config.settings import Settings
from orderengine.dispatch.app import EngineCelery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.instruments import Instruments, parse_instruments
from orderengine.execution.operations.counters import CountingDispatcher, ProcessMetrics
from orderengine.redis.breaker import Breaker

SKIP_REDIS_S = 1.0
WORKER_REDIS_TIMEOUT_S = 1.0
WEB_CONNECTIONS = 16
"""Connections to PostgreSQL of all web processes behind one port together."""
LEAST_WEB_CONNECTIONS = 4
"""Connections of each web process at least, however many processes there are."""


def load_instruments(settings: Settings) -> Instruments:
    """Read the instrument file; raises OSError or ValueError that names the fault."""
    return parse_instruments(settings.instruments_file.read_text("utf-8"))


def recovery_delays(settings: Settings) -> RecoveryDelays:
    """The delays before recovery looks at an order."""
    return RecoveryDelays(stage_s=settings.recovery_after_ms / 1000)


def metered_dispatcher(
    celery: EngineCelery, breaker: Breaker, metrics: ProcessMetrics
) -> CountingDispatcher:
    """The dispatcher of a process, with a count of refused messages."""
    return CountingDispatcher(CeleryDispatcher(celery, breaker), metrics)
