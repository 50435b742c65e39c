"""What a process does about its memory once it has started."""

import gc


def set_aside() -> None:
    """Have the garbage collector look no more at what was loaded so far: it stays anyway.

    A full collection of a web process went through 300,000 objects of libraries, and every request
    waited for it: 148 ms, each few seconds under load.
    """
    gc.collect()
    gc.freeze()
