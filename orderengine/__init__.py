"""An order execution engine: REST in, a Celery chain, settlement, WebSocket out.

The packages and their rooms, from the outer layers to the core; imports point downwards only::

    localnet       a Solana-like node on this machine, for tests and trials
      methods      the JSON-RPC methods that it answers
      program      the program of its pools: C source and binary
    webserver      gunicorn's configuration, and the class of its workers
    api            the Flask application
      routes       the views, one module for each group of paths
      gate         before each view: keys, rates, proxies, other origins, turns
      validation   reading requests: strict JSON, fields, schemas, cursors
      answers      documents, their schemas, and problems with their codes
      updates      following orders: WebSockets, and requests that wait
      description  /openapi.json and /asyncapi.json, with their examples
      static       the live page
      swagger_ui   the files of /docs
    cli            the command line
    worker         the Celery tasks (thin), and the reconciler of recovery
    bootstrap      the composition root: turns settings into ports
    storage        adapter: the stores on PostgreSQL, with all SQL of the engine
    stream         adapter: events through Redis to the clients, cache, counts
    venues         adapter: the venues, and the board that asks them all
    settlement     adapter: the network, simulated with a ledger of its own, or live
      solana       a live cluster: signing, sending, looks, the proof of expiry
    dispatch       adapter: the Celery application, and sending the chain
    faults         fail points for `make chaos`
    postgres       connections to PostgreSQL, and what its errors mean
    redis          connections to Redis, its queues' names, what its errors mean
    solana         Solana's wire: JSON-RPC, accounts, the pools' programs
      pools        the programs of the pools: accounts, and swap instructions
    config         the settings, and how they are read
    execution      the use cases, on ports only
      intake       who may order, within which limits; accepting an order
      chain        the four stages, what they hand over, recovery
      queries      reading orders, events, lists and quotes
      waiting      triggers, cancels, amendments and expiry of orders
      operations   counts and figures, exports, pruning, housekeeping
    market         the simulated market: pure
    amm            the pool maths of the venues: pure
    domain         orders, the state machine, routing, prices: pure
    process        what every process sets up: interpreter, memory, log
    local          the development stack: servers and supervisor of `make run`

`local` is the top layer: no package imports it. The adapters never import each other.

Importing a module has no effect, with two exceptions that must precede the import of a library:
`process.interpreter` ends a process whose PYTHONPATH hides an installed module, and the packages of
servers load structlog without what it loads for others (`process.libraries`).
"""

from orderengine.process.interpreter import guard_interpreter

guard_interpreter()

__version__ = "0.1.0"
