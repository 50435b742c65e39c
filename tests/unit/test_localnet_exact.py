"""What lands on the localnet is what was quoted, to the base unit, in each leg."""

from tests.localnet_orders import ExactRun


def test_sixty_seeded_orders_land_as_they_were_quoted() -> None:
    run = ExactRun(seed=20)
    try:
        seen = run.trade(60)
    finally:
        run.close()
    assert seen.faults == []
    assert seen.landed.total() >= 45
    for side in ("buy", "sell"):
        for unit in ("base", "USDC"):
            assert seen.landed[f"{side} exact {unit}"] > 0
            assert seen.landed[f"{side} split, exact {unit}"] > 0
