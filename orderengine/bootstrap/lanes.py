"""Chooses between the fast lane and stock Celery and redis-py: `FAST_LANE=1|0`."""

from orderengine.dispatch.app import EngineCelery, StockCelery, create_app
from orderengine.redis.client import Client, create_client
from orderengine.redis.commands import ClientCommands, Commands

WORKER_REDIS_TIMEOUT_S = 1.0


def create_celery(
    broker_url: str, *, timeout_s: float | None = None, fast_lane: bool = True
) -> EngineCelery:
    """Make the Celery application; it connects to nothing yet. See `dispatch.app.create_app`."""
    if fast_lane:
        from orderengine.fastlane.app import create_fast_celery

        return create_fast_celery(broker_url, timeout_s)
    client = create_client(broker_url, timeout_s or WORKER_REDIS_TIMEOUT_S)
    return create_app(StockCelery, broker_url, timeout_s, commands=ClientCommands(client))


def commands_of(client: Client, *, fast_lane: bool = True) -> Commands:
    """The commands of each step of an order, over this client's connections."""
    if fast_lane:
        from orderengine.fastlane.commands import FastCommands

        return FastCommands(client.connection_pool)
    return ClientCommands(client)
