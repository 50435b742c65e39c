"""Measures the engine's speed, on servers of its own: `python -m benchmarks`.

__main__.py    options, the sections in their order, the exit code
stack.py       the servers and the Procfile's lines, in a temporary folder
client.py      the load, from a process of its own: POSTs and sockets
bench.py       shared by the sections: the observer, the load's process, the count of orders
burst.py       throughput, cost per order, and the two baselines in alternating rounds
latency.py     POST at a fixed rate; from a commit to the message on a socket
delays.py      orders per minute with the default delays, against the limit of ten slots
accounting.py  CPU, statements and commands, as the system and the servers count them
checks.py      no figure without every order accounted for
figures.py     percentiles, rates and bounds: pure
report.py      the table and the JSON
routes.py, route_tables.py, plot.py  the gain of split routes: `make curves`
plain_loop.py  baseline (a): the same work in a loop, without HTTP and queue
naive_chain.py, naive_load.py  baseline (b): the simplest Celery chain, and its load
live/          the localnet beside the simulated network: `python -m benchmarks.live`
sockets/       thousands of sockets on one web process: `python -m benchmarks.sockets`
bullmq/        the engine beside BullMQ: `python -m benchmarks.bullmq`
"""
