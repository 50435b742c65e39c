"""Thousands of sockets on one web process: `python -m benchmarks.sockets`.

__main__.py  options, the parts in their order, the table, the exit code
crowd.py     the clients of all sockets, in a process of their own that waits with epoll
mover.py     moves orders at a fixed rate, as a worker does, and notes each commit
desk.py      the stack, the crowd and the mover of a run, and what all parts measure
parts.py     the parts: what each does, and its limits
"""
