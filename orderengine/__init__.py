"""A market order execution engine: REST in, a Celery chain, settlement, WebSocket out.

The packages, from the outer layers to the core; imports point downwards only:

- ``api``, ``cli``: Flask and the command line: parse, call, answer.
- ``worker``: the Celery tasks (thin) and the reconciler, which recovers orders after a crash.
- ``bootstrap``: the composition root: turns settings into a bundle of ports.
- ``fastlane``: what goes beyond documented options of Celery, kombu and redis-py (``FAST_LANE``).
- ``storage`` (PostgreSQL), ``stream`` (Redis to sockets), ``dispatch`` (Celery), ``venues``,
  ``settlement``: the adapters. They never import each other.
- ``execution``: the use cases, on ports only: intake, the four stages, recovery, queries.
- ``market`` (the simulated market) and ``amm`` (the pool maths of the venues): pure functions.
- ``domain``: orders, the state machine, routing, pricing, instruments. Pure.

``faults`` holds fail points for the fault suite, which ``bootstrap`` arms only on request;
``local`` holds the embedded servers and the supervisor of ``make run``.

Importing a module has no effect, with one exception that must precede the import of any library:
``interpreter`` ends a process whose PYTHONPATH hides an installed module.
"""

from orderengine.interpreter import settle

settle()

__version__ = "0.1.0"
