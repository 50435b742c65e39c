"""Every program of a pool is known wherever one is named; a program left out would go unnoticed."""

import re
from typing import get_type_hints

import pytest
from solders.pubkey import Pubkey

from generators.layouts import key
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.routing import Quote
from orderengine.domain.side import Asset, Side
from orderengine.settlement.solana.errors import chain_error
from orderengine.settlement.solana.landing import POOL_AT
from orderengine.solana.pools.pool import SwapTerms
from orderengine.solana.pools.registry import PROGRAMS
from tests.live_markets import KINDS
from tests.solana_pools import (
    PAIR,
    POOL,
    Known,
    a_cpmm_pool,
    a_dlmm_pool,
    a_localnet_pool,
    an_amm_v4_pool,
)

POOLS: dict[str, Known] = {
    "cpmm": a_cpmm_pool(),
    "amm_v4": an_amm_v4_pool(),
    "dlmm": a_dlmm_pool(),
    "localnet": a_localnet_pool(),
}


def named(pool: Known) -> Pubkey:
    """The program that owns a pool."""
    account = pool[POOL]
    assert account is not None
    return account.owner


def test_each_program_has_a_pool_in_these_tests() -> None:
    assert {PROGRAMS[named(pool)] for pool in POOLS.values()} == set(PROGRAMS.values())
    assert {kind.partition(",")[0] for kind in KINDS} == POOLS.keys()


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("exact", Asset)
def test_a_landed_swap_names_its_pool_where_the_engine_looks(
    kind: str, side: Side, exact: Asset
) -> None:
    program = PROGRAMS[named(POOLS[kind])]
    pool = program.decode(POOL, PAIR, POOLS[kind])
    assert pool.kind == kind
    terms = SwapTerms(key(20), key(21), key(22), side, exact, amount=1_000, limit=77)
    for built in pool.swap_instructions(terms):
        assert built.accounts[POOL_AT[str(built.program_id)]].pubkey == POOL
    assert {str(each) for each in program.PROGRAM_IDS} <= POOL_AT.keys()


@pytest.mark.parametrize("program_id", PROGRAMS, ids=str)
def test_an_error_of_a_program_has_its_name(program_id: Pubkey) -> None:
    error = chain_error({"InstructionError": [0, {"Custom": 1}]}, (), [program_id])
    assert not error.label.startswith(str(program_id)), "errors.py does not know the program"


@pytest.mark.parametrize("kind", POOLS)
def test_a_kind_of_pool_is_described_and_has_a_name_on_the_page(kind: str) -> None:
    (told,) = get_type_hints(Quote, include_extras=True)["pool_kind"].__metadata__
    assert f"`{kind}`" in told.description
    script = (PACKAGE_DIR / "api" / "static" / "js" / "quotes.js").read_text("utf-8")
    (shown,) = re.findall(r"const POOLS = \{(.*)\};", script)
    assert f"{kind}: " in shown
