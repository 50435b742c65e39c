"""A market order execution engine: REST in, a Celery chain, settlement, WebSocket out.

The packages, from the rim to the core; imports point downwards only:

- ``api``, ``cli``: Flask and the command line: parse, call, answer.
- ``worker``: the Celery tasks (thin) and the reconciler that brings back what a crash left.
- ``bootstrap``: the composition root: settings in, a bundle of ports out.
- ``storage`` (PostgreSQL), ``stream`` (Redis to sockets), ``dispatch`` (Celery), ``venues``,
  ``settlement``: the adapters. They never import each other.
- ``execution``: the use cases, on ports only: intake, the four stages, recovery, queries.
- ``market`` (the simulated market) and ``amm`` (the pool maths of the venues): pure functions.
- ``domain``: orders, the state machine, routing, pricing, instruments. Pure.

``faults`` holds fail points for the fault suite, which ``bootstrap`` arms only when it is told to;
``local`` holds the embedded servers and the supervisor of ``make run``.

Importing a module does nothing, but for one thing that has to come before any library is imported:
``interpreter`` ends a process whose PYTHONPATH hides a module that was installed.
"""

from orderengine.interpreter import settle

settle()

__version__ = "0.1.0"
