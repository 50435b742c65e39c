"""What a worker's thread remembers from one stage to the next."""

import threading
from typing import Any


class ThreadMemory(threading.local):
    """Implements `execution.chain.engine.LastMoved`: the order that this thread has moved last.

    A thread mostly runs `submit_order` right after `build_order`, and need not read the row again.
    """

    order: Any = None
