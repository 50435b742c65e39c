"""Latencies of a client: the answer to a POST, and a step's arrival on its socket."""

import time

from benchmarks import client
from benchmarks.bench import Bench, Figures, call
from benchmarks.checks import Lost
from benchmarks.figures import percentile
from benchmarks.stack import Stack

POST_RATE_PER_S = 200
FOLLOW_RATE_PER_S = 20


def measure_posts(bench: Bench, stack: Stack) -> Figures:
    """POST at a fixed rate, whatever the answers; latency counts from each order's due time."""
    count = POST_RATE_PER_S * bench.size.paced_s
    posted = bench.post(stack, count, POST_RATE_PER_S)
    span_s = posted.last_answered_at - posted.first_sent_at
    bench.finish(stack)
    bench.check()
    return {
        "rate_per_s": POST_RATE_PER_S,
        "seconds": bench.size.paced_s,
        "answered_per_s": count / span_s,
        "post_ms": {f"p{p}": percentile(posted.latencies_ms, p) for p in (50, 99)},
        "drained_after_s": max(time.time() - posted.last_answered_at, 0.0),
    }


def measure_streams(bench: Bench, stack: Stack) -> Figures:
    """Place orders at a fixed rate, and follow each over its own socket.

    An event's `at` is PostgreSQL's clock at the start of its statement; the same machine's clock
    gives the message's arrival. So the delay includes the statement and its commit to disk. Events
    older than their socket are left out.
    """
    count = bench.size.followed
    followed = call(bench.load, client.post_and_follow, stack.port, count, FOLLOW_RATE_PER_S)
    bench.placed += count
    bench.finish(stack)
    bench.check()
    for each in followed:
        _require_complete(each)
    delays_ms = [delay for each in followed for delay in each.delays_ms]
    return {
        "sockets": count,
        "orders_per_s": FOLLOW_RATE_PER_S,
        "messages": len(delays_ms),
        "commit_to_socket_ms": {f"p{p}": percentile(delays_ms, p) for p in (50, 99)},
    }


def _require_complete(followed: client.Followed) -> None:
    gapless = followed.seqs == list(range(1, len(followed.seqs) + 1))
    if not followed.seqs or not gapless or followed.close_code != client.NORMAL_CLOSURE:
        raise Lost(f"a socket got {followed.seqs} and was closed with {followed.close_code}")
