"""Memory settings of a process that has started."""

import ctypes
import gc
import resource
import sys
import threading
import time

FULL_COLLECTION_EVERY_S = 600.0
LOOK_EVERY_S = 60.0
MOST_PROMOTIONS = 30
"""A full collection is made early after so many collections of the middle generation.

Only these move objects to the oldest generation, 20,000 at most each.
"""

SELDOM = 1_000_000

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def freeze_loaded_objects() -> None:
    """Exclude loaded objects from garbage collection (gc.freeze).

    A full collection of a web process visited 300,000 objects of libraries and delayed every
    request: by 148 ms, every few seconds under load.
    """
    gc.collect()
    gc.freeze()


def forbid_dumps() -> None:
    """Keep what is in memory, such as a key that signs, out of core dumps.

    On Linux the process is not dumpable either: the limit alone does not bind a program that
    receives dumps through a pipe (core(5)). Other users' processes, and those of the same user
    without privileges, cannot read its memory or environment then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def collect_fully_by_the_clock() -> None:
    """Collect all garbage seldom, and not whenever enough is new.

    A full collection visits all objects, of 5,000 sockets 155,000, while nothing else runs. It is
    made every FULL_COLLECTION_EVERY_S, and after MOST_PROMOTIONS, but once in LOOK_EVERY_S at most.
    Young garbage is collected as before.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, SELDOM)
    threading.Thread(target=_collect, name="collector", daemon=True).start()


def _collect() -> None:
    never = threading.Event()
    collected_at, promotions = time.monotonic(), _promotions()
    while not never.wait(LOOK_EVERY_S):
        age_s = time.monotonic() - collected_at
        if age_s >= FULL_COLLECTION_EVERY_S or _promotions() - promotions >= MOST_PROMOTIONS:
            gc.collect()
            collected_at, promotions = time.monotonic(), _promotions()


def _promotions() -> int:
    return int(gc.get_stats()[1]["collections"])
