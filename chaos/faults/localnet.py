"""A Solana-like node that loses, forgets, lags, refuses and forks; evidence is its own ledger."""

from dataclasses import replace

from chaos import acts
from chaos.acts import Act
from chaos.fault import LOCALNET, Fault, Injection, Scale, nothing, repeatedly
from chaos.load import Load
from chaos.localnet import BLOCK_MS, URLS
from chaos.rig import Rig

# An expired transaction is proven dead after the window and finality, 9 s; three attempts may be
# needed, and recovery looks every 15 s in the end.
PATIENCE_S = 120.0
WINDOW_S = 150 * BLOCK_MS / 1_000


def broken(inject: Injection = nothing, **faults: object) -> Injection:
    """Run another injection while every URL has these faults; at the end it has none of them."""

    def run(rig: Rig, load: Load, scale: Scale) -> int:
        for path in URLS:
            rig.localnet.fault(path=path, seed=rig.rng.randrange(2**31), **faults)
        hits = inject(rig, load, scale)
        for path in URLS:
            rig.localnet.fault(path=path, **dict.fromkeys(faults, 0))
        rig.healed()
        return hits

    return run


def for_a_while(low_s: float, high_s: float, heal: dict[str, object], **faults: object) -> Act:
    """Give every URL of the node these faults for a time, then heal it."""

    def act(rig: Rig) -> int:
        for path in URLS:
            rig.localnet.fault(path=path, **faults)
        rig.pause(low_s, high_s)
        for path in URLS:
            rig.localnet.fault(path=path, **heal)
        rig.healed()
        return 1

    return act


def fork(rig: Rig) -> int:
    """Take the newest block back, with what landed in it."""
    rig.localnet.fault(forkAway=True)
    rig.healed()
    return 1


def forks(rig: Rig, load: Load, scale: Scale) -> int:
    """Take blocks back, some of them with a swap that had landed in them."""
    hits = repeatedly(fork)(rig, load, scale)
    rig.figures["landings taken back"] = taken_back = rig.localnet.taken_back()
    if not taken_back:
        rig.complaints.append("no block that was taken back had a swap in it")
    return hits


def kill_node(rig: Rig) -> int:
    """SIGKILL the node, with the transactions that wait for a block; start it again.

    It comes back with its history, or from a snapshot, and then without it for seconds.
    """
    rig.localnet.restart()
    if rig.rng.random() < 0.5:
        forget(rig)
    rig.healed()
    return 1


def disagree(rig: Rig) -> int:
    """One URL lags or has forgotten, and the other one knows better, or refuses."""
    wrong, other = rig.rng.sample(URLS, 2)
    if rig.rng.random() < 0.5:
        rig.localnet.fault(path=wrong, lagBlocks=60)
    else:
        rig.localnet.fault(path=wrong, forget=True)
    rig.localnet.fault(path=other, refuseS=rig.rng.choice((0, 2)))
    rig.pause(2.0, 4.0)
    rig.localnet.fault(path=other, refuseS=0)
    rig.localnet.fault(path=wrong, lagBlocks=0, forget=False)
    rig.healed()
    return 1


def any_of(*some: Act) -> Act:
    """One of these acts, drawn each time."""

    def act(rig: Rig) -> int:
        return rig.rng.choice(some)(rig)

    return act


def refuse(seconds: float) -> Act:
    """Let every URL give 429 for so long."""
    return for_a_while(seconds, seconds, {"refuseS": 0}, refuseS=seconds)


forget = for_a_while(4.0, 8.0, {"forget": False}, forget=True)
keep_nothing = for_a_while(4.0, 8.0, {"keepsHistory": True}, keepsHistory=False)
lag = for_a_while(3.0, 6.0, {"lagBlocks": 0}, lagBlocks=100)
hold = for_a_while(2.0, WINDOW_S + 2, {"held": False}, held=True)

_PLAIN = Fault(
    name="",
    what="",
    inject=nothing,
    full=Scale(orders=600, times=1),
    quick=None,
    recovery_limit_s=PATIENCE_S,
    network=LOCALNET,
)

FAULTS = (
    replace(
        _PLAIN,
        name="localnet_sends_lost",
        what="two in five transactions lost behind a successful answer",
        inject=broken(sendLossRate=0.4),
    ),
    replace(
        _PLAIN,
        name="localnet_answers_lost",
        what="one in five requests carried out without an answer",
        inject=broken(answerLossRate=0.2),
        quick=Scale(orders=40, times=1),
    ),
    replace(
        _PLAIN,
        name="localnet_forgets",
        what="for 4 to 8 s the node knows nothing of before, or refuses questions about the past",
        inject=repeatedly(any_of(forget, keep_nothing)),
        full=Scale(orders=600, times=6),
    ),
    replace(
        _PLAIN,
        name="localnet_lags",
        what="the node answers as of 100 blocks ago for 3 to 6 s",
        inject=repeatedly(lag),
        full=Scale(orders=600, times=5),
    ),
    replace(
        _PLAIN,
        name="localnet_refuses",
        what="the node gives 429 for a minute",
        inject=repeatedly(refuse(60.0)),
        full=Scale(orders=600, times=1),
    ),
    replace(
        _PLAIN,
        name="localnet_late",
        what="nothing lands for 2 to 9.5 s, beyond the window of 7.5 s",
        inject=repeatedly(hold),
        full=Scale(orders=600, times=6),
    ),
    replace(
        _PLAIN,
        name="localnet_forks",
        what="processed blocks forked away",
        inject=forks,
        full=Scale(orders=600, times=150),
        quick=Scale(orders=40, times=20),
    ),
    replace(
        _PLAIN,
        name="localnet_disagrees",
        what="one URL lags or has forgotten, the other one knows better, or refuses",
        inject=repeatedly(disagree),
        full=Scale(orders=600, times=10),
    ),
    replace(
        _PLAIN,
        name="localnet_restarts",
        what="the node killed, back without the transactions on their way, at times from"
        " a snapshot",
        inject=repeatedly(kill_node),
        full=Scale(orders=600, times=15),
    ),
    replace(
        _PLAIN,
        name="localnet_unreliable",
        what="sends and answers lost, with forks, lags, loss of history, and workers killed",
        inject=broken(
            repeatedly(any_of(fork, lag, forget, acts.kill_worker)),
            sendLossRate=0.2,
            answerLossRate=0.1,
        ),
        full=Scale(orders=600, times=12, workers=2),
    ),
)
