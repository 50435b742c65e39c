"""How Celery runs here; the broker's URL comes from the settings (`orderengine.dispatch.app`).

A message is a hint: PostgreSQL decides what still counts, so no setting here may be needed for
correctness. See `docs/decisions/`.
"""

from kombu import Exchange, Queue

from orderengine.dispatch.names import INTAKE, SETTLE

# Settlement before intake: with one queue a burst would route everything before it builds
# anything, and the quotes would go stale meanwhile.
# Each has an exchange of its own: two queues bound to one key would both get every message.
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

# Acknowledged before it runs: a task that brings its worker down must not come back at once and
# for ever. The row brings the order back, in its own time and counted.
task_acks_late = False
task_publish_retry = False
worker_pool = "orderengine.worker.pool:TaskPool"
worker_consumer = "orderengine.worker.consumer:BrokerConsumer"
worker_prefetch_multiplier = 1
# A message is taken only for a slot that is free. Otherwise as many again as there are slots are
# taken ahead of time, and what is urgent in `settle` waits behind them.
worker_disable_prefetch = True
# A worker takes what it may not run yet into its memory: the command to limit a rate is refused.
worker_disable_rate_limits = True

broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_pool_limit = 20
broker_pool_acquire_timeout = 1
broker_transport_options = {
    "queue_order_strategy": "orderengine.dispatch.transport:UrgentFirst",
    "priority_steps": [0],
    # What a worker takes is noted nowhere: its row brings an order back, not the broker.
    "ack_emulation": False,
    # Without a socket time-out a publish on a half-open connection never returns.
    "socket_timeout": 3,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # The threads of a process bound its connections; kombu's own bound of 10 raises.
    "max_connections": 10_000,
}

worker_hijack_root_logger = False
worker_redirect_stdouts = False
# Flower turns them on while it runs; a worker turns them off when Flower has gone.
worker_send_task_events = False
task_send_sent_event = False
worker_enable_remote_control = True
enable_utc = True
timezone = "UTC"
