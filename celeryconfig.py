"""Celery's configuration; the broker's URL comes from the settings (`orderengine.dispatch.app`).

A message is a hint: PostgreSQL decides what still counts, so no setting here may be needed for
correctness. See `docs/decisions/`.
"""

from kombu import Exchange, Queue

from orderengine.redis.queues import INTAKE, SETTLE

# Settlement has priority over intake: with a single queue, a burst would route all of its orders
# before building any, and the quotes would expire meanwhile.
# Each queue has its own exchange: two queues bound to one key would both get every message.
task_queues = tuple(
    Queue(name, Exchange(name, type="direct"), routing_key=name) for name in (SETTLE, INTAKE)
)
task_default_queue = SETTLE
task_create_missing_queues = False

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_store_errors_even_if_ignored = False

# Taken from the broker before the task runs: a task that crashes its worker must not come back at
# once and forever. Recovery restores the order from its row, after a delay and a limited number of
# times.
task_acks_late = False
task_publish_retry = False
worker_pool = "orderengine.worker.pool:TaskPool"
worker_consumer = "orderengine.worker.consumer:BrokerConsumer"
worker_prefetch_multiplier = 1
# A worker takes a message only for a free thread. Otherwise it would prefetch as many messages
# again as it has threads, and urgent ones in `settle` would wait behind them.
worker_disable_prefetch = True
# With a rate limit a worker takes waiting messages into its memory: the command is refused.
worker_disable_rate_limits = True

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_pool_limit = 20
broker_pool_acquire_timeout = 1
broker_transport_options = {
    "queue_order_strategy": "orderengine.dispatch.queue_order:UrgentFirst",
    "priority_steps": [0],
    # Messages are not tracked until acknowledged: recovery restores an order, not the broker.
    "ack_emulation": False,
    # A publish tries to connect again at once, and then no more: by default kombu sleeps for
    # seconds in between, in a thread that has other work.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    # Without a socket time-out, a publish on a half-open connection never returns.
    "socket_timeout": 3,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # A process's threads bound its connections; kombu raises at its own limit of 10.
    "max_connections": 10_000,
}

worker_hijack_root_logger = False
worker_redirect_stdouts = False
# Flower turns events on while it runs; a worker turns them off when Flower has gone.
worker_send_task_events = False
task_send_sent_event = False
worker_enable_remote_control = True
enable_utc = True
timezone = "UTC"
