"""The fast lane: everything that goes beyond documented options of Celery, kombu or redis-py.

With `FAST_LANE=0` nothing of it is loaded, and the engine runs on these libraries as they come.
`bootstrap.lanes` chooses. The promises are the same, except for what
`docs/decisions/0062-fast-lane.md` lists; throughput is not.

- ``app``: sends the stages' messages without Celery's routers, declarations and signals.
- ``transport``: kombu's Redis transport without what the engine does not use.
- ``pool``: a thread pool whose threads take their messages themselves.
- ``requests``: a task's request without an acknowledgement.
- ``held``: holds a message to the next stage for the thread that may run it.
- ``messages``, ``encoding``: read and write messages with a faster JSON library.
- ``commands``: redis-py's connections without its client.

`tests/unit/test_fastlane_names.py` lists each internal name of a library that these modules use.
A library's upgrade that breaks the fast lane fails there.
"""
