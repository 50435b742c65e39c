"""The fault suite itself: seeds, scales, its page, and its own sabotage."""

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from chaos import results, runner, sabotage, storm
from chaos.evidence import Evidence, StoredOrder
from chaos.fault import Scale
from chaos.faults import FAULTS, cancel_storm, groups_die
from chaos.faults.fail_points import OF_THE_CHAIN, SLOTS
from chaos.invariants import Violation
from chaos.messages import published
from chaos.resources import Resources, excess
from chaos.runner import Plan
from chaos.trial import WARM_UP, Verdict, _demanded, _unseen
from orderengine.domain.terms import OrderType, TimeInForce, terms_violation
from orderengine.faults.points import FailPoint
from orderengine.solana.rpc import CONNECTIONS

ROOT = Path(__file__).parents[2]
NOTHING_SEEN = Evidence({}, {}, {}, {}, {})
HEALED_AT = 100.0
QUIET = Resources(threads={"web": 30, "worker": 40}, sockets={"web": 9}, connections=10, queued=0)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with one block, and no results so far."""
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- results: generated -->\n<!-- results: end -->\nafter\n")
    monkeypatch.setattr(results, "PAGE", path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.json")
    return path


def late_by(late_s: float) -> StoredOrder:
    return StoredOrder(
        *("a", "confirmed", 5, 1, False, None, None),
        created_at=HEALED_AT - 1,
        ended_at=HEALED_AT + late_s,
        failure_reason=None,
    )


def a_verdict(name: str, *violations: Violation) -> Verdict:
    verdict = Verdict(
        name, seed=7, scale=Scale(10, 1), orders=10, sockets=4, injected=1, recovery_s=1.25
    )
    verdict.violations += violations
    return verdict


def test_a_monitor_line_gives_the_message_as_it_was_published() -> None:
    line = r'1700000000.1 [0 127.0.0.1:5] "LPUSH" "settle" "{\"body\": \"x\\ny\", \"b\": \"\xff\"}"'
    assert published(line) == ("settle", b'{"body": "x\\ny", "b": "\xff"}')


@pytest.mark.parametrize(
    "line",
    [
        '1.1 [0 127.0.0.1:5] "LPUSH" "celery@host.pidbox" "{}"',
        '1.1 [0 127.0.0.1:5] "BRPOP" "settle" "intake"',
        "OK",
    ],
)
def test_what_publishes_no_order_is_no_message(line: str) -> None:
    assert published(line) is None


def test_each_fault_has_a_name_of_its_own_and_a_soak_ends_them() -> None:
    assert len(FAULTS) > 20
    assert list(FAULTS)[-1] == "soak"
    assert all(fault.name == name for name, fault in FAULTS.items())


def test_the_quick_selection_has_every_kind_and_what_sabotage_needs() -> None:
    quick = {name for name, fault in FAULTS.items() if fault.quick}
    assert quick >= {
        *("fail_points", "power_losses", "deploys", "many_reconcilers", "commit_answers"),
        *("postgres_failover", "postgres_read_only", "redis_failover", "redis_refuses_writes"),
        *("garbage_messages", "long_backlog", "network_dead"),
        *("groups_commit_answers", "half_superseded", "localnet_forks", "localnet_answers_lost"),
    }
    assert quick >= {name for guard in sabotage.GUARDS.values() for name in guard.faults}


def test_long_faults_start_first_and_one_that_compares_speeds_last() -> None:
    names = sorted(FAULTS, key=runner._turn)
    assert names[: len(runner.LONGEST)] == list(runner.LONGEST)
    assert names[-1] == "list_storm"


def test_the_quick_run_alone_has_patience() -> None:
    quick, full = (
        Plan(list(FAULTS), seed=5, quick=is_quick, factor=1.0, jobs=2).scale("deploys")
        for is_quick in (True, False)
    )
    assert quick is not None
    assert full is not None
    assert (full.patience, quick.patience) == (1.0, runner.QUICK_PATIENCE)
    late = replace(NOTHING_SEEN, orders={"a": late_by(FAULTS["deploys"].recovery_limit_s + 1)})
    found = [
        list(_demanded(FAULTS["deploys"], scale, late, [HEALED_AT])) for scale in (quick, full)
    ]
    assert [[each.invariant for each in part] for part in found] == [[], ["recovers_in_time"]]


def test_a_run_of_nothing_does_not_pass() -> None:
    left_out = [name for name, fault in FAULTS.items() if fault.quick is None]
    assert runner.run(Plan(left_out, seed=5, quick=True, factor=1.0, jobs=2)) == 2


def test_the_figures_that_were_promised_are_those_of_the_full_scale() -> None:
    wanted = {
        "worker_kills": (3000, 100),
        "redis_flushes": (2000, 20),
        "redis_restarts": (2000, 30),
        "postgres_restarts": (2000, 15),
    }
    full = {name: (FAULTS[name].full.orders, FAULTS[name].full.times) for name in wanted}
    assert full == wanted
    times = {name: fault.full.times for name, fault in FAULTS.items()}
    assert (times["fail_points"], len(FailPoint) >= 14) == (20, True)
    assert (times["power_losses"], times["deploys"]) == (20, 20)
    assert (times["messages_copied"], times["commit_answers"]) == (5000, 200)
    soak = FAULTS["soak"]
    assert soak.full.orders / soak.rate_per_s == 30 * 60


def test_a_plan_says_how_it_is_repeated() -> None:
    plan = Plan(["soak"], seed=5, quick=False, factor=0.1, jobs=2)
    assert plan.arguments("soak") == ["--only", "soak", "--seed", "5", "--scale", "0.1"]
    assert plan.scale("soak") == Scale(900, 1, 2)
    quick = Plan(["deploys"], seed=5, quick=True, factor=1.0, jobs=2)
    assert quick.arguments("deploys") == ["--only", "deploys", "--seed", "5", "--quick"]
    assert quick.scale("soak") is None
    assert not plan.is_full


def test_armed_workers_are_named_unlike_those_that_work() -> None:
    assert not {"web", "worker", "worker-2"} & set(SLOTS)


def test_resources_are_back_when_only_pools_have_grown() -> None:
    assert list(excess(QUIET, QUIET)) == []
    grown = Resources(
        threads={"web": 200, "worker": 160}, sockets={"web": 190}, connections=50, queued=3
    )
    assert [line.split()[:3] for line in excess(QUIET, grown)] == [
        ["web", "has", "200"],
        ["worker", "has", "160"],
        ["web", "has", "190"],
        ["PostgreSQL", "has", "50"],
        ["3", "messages", "are"],
    ]


def test_a_worker_of_a_live_network_has_connections_to_its_nodes() -> None:
    before = replace(QUIET, sockets={"web": 9, "worker": 40}, nodes=2)
    full = replace(before, sockets={"web": 9, "worker": 64 + 2 * CONNECTIONS})
    assert list(excess(before, full)) == []
    leaking = replace(before, sockets={"web": 9, "worker": 65 + 2 * CONNECTIONS})
    assert len(list(excess(before, leaking))) == 1
    assert len(list(excess(before, replace(full, nodes=0)))) == 1


def test_the_page_gets_the_results_between_its_markers(page: Path) -> None:
    results.record([a_verdict("soak").document()])
    lost = Violation("all_are_terminal", "a", "is still pending")
    twice = Violation("executed_at_most_once", "b", "was executed 2 times")
    results.record([a_verdict("deploys", lost, twice).document()])
    text = page.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "fault" not in line]
    assert [re.split(r"[:|]", row)[1].strip() for row in rows] == ["deploys", "soak"]
    assert "| 10 | 0 | 4 | 1 | 1 | 1 | 0 | 0 | 1.2 s | 7 |" in rows[0]
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_a_page_without_markers_is_refused(page: Path) -> None:
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no block"):
        results.write_block("results", "text")


def test_a_verdict_survives_its_way_through_json() -> None:
    verdict = a_verdict("soak", Violation("no_gaps", None, "detail"))
    verdict.reasons = {"EXPIRED": 2}
    document = json.loads(json.dumps(verdict.document()))
    assert (document["broken"], document["reasons"]) == (["no_gaps"], {"EXPIRED": 2})
    assert results.line(document).endswith("FAILED no_gaps, 2 EXPIRED")


def test_the_page_of_the_project_has_its_blocks_and_each_place() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    for name in ("results", "sabotage"):
        assert results.BEGIN.format(name) in text
        assert results.END.format(name) in text
    missing = [point for point in FailPoint if f"`{point.value}`" not in text]
    assert missing == []


def test_a_run_in_which_nothing_happened_does_not_pass() -> None:
    verdict = a_verdict("soak")
    verdict.orders, verdict.confirmed = 10 + WARM_UP, 5
    assert list(_unseen(verdict)) == []
    verdict.sockets, verdict.orders = 0, 9 + WARM_UP
    assert [each.detail for each in _unseen(verdict)] == ["orders: 9", "sockets: 0"]


def test_a_death_in_a_group_has_a_passage_and_a_status_for_each_place() -> None:
    stages = {point.value.partition(".")[0] for point in OF_THE_CHAIN if not point.is_in_web}
    assert groups_die.STOPPED_AT.keys() == stages
    once = {FailPoint.ACCEPT_BEFORE_COMMIT, FailPoint.ACCEPT_AFTER_COMMIT}
    assert all(groups_die.RARER[point] == (1, 1) for point in once)


def test_each_place_belongs_to_one_fault_and_the_storm_comes_to_each_of_its() -> None:
    assert {*OF_THE_CHAIN, *cancel_storm.PLACES} == set(FailPoint)
    assert not set(OF_THE_CHAIN) & set(cancel_storm.PLACES)
    count = len(cancel_storm.PLACES)
    drawn = cancel_storm.places(random.Random(1), 2 * count + 1)
    assert Counter(drawn).most_common()[0][1] == 3
    assert Counter(drawn).most_common()[-1][1] == 2


def test_the_orders_of_a_storm_have_the_terms_of_their_types() -> None:
    offers = storm.offers()
    bodies = [json.loads(offers.at_sending(each)) for each in offers.bodies[:200]]
    assert {body.get("type", "market") for body in bodies} == set(OrderType)
    for body in bodies:
        kind = OrderType(body.get("type", "market"))
        lasts = TimeInForce(body["timeInForce"]) if "timeInForce" in body else None
        assert terms_violation(kind, body, lasts, expires="expiresAt" in body) is None


@pytest.mark.parametrize(
    "name",
    ["groups_die", "groups_commit_answers", "poison_orders", "two_claimers", "half_superseded"],
)
def test_the_faults_of_groups_have_batches_that_form_them(name: str) -> None:
    fault = FAULTS[name]
    assert fault.batch == 100
    assert fault.environ["SIM_QUOTE_LATENCY_MS"] == "0-0"


def test_choices_follow_from_the_seed() -> None:
    draws = [random.Random(f"3:{name}").random() for name in ("deploys", "deploys", "soak")]
    assert draws[0] == draws[1] != draws[2]


def test_a_fault_that_compares_speeds_runs_alone() -> None:
    assert runner._has_place("list_storm", {}, 2)
    assert not runner._has_place("list_storm", {"soak"}, 2)
    assert not runner._has_place("soak", {"list_storm"}, 2)
    assert runner._has_place("redis_flushes", {"soak"}, 2)
    assert not runner._has_place("redis_flushes", {"soak", "power_losses"}, 2)
