"""The program of a pool, by the owner of the pool's account."""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from orderengine.solana.accounts import Account, present
from orderengine.solana.pools import amm_v4, cpmm, dlmm, localnet
from orderengine.solana.pools.pool import Program
from orderengine.solana.refusals import AccountRefused

_PROGRAMS: tuple[Program, ...] = (cpmm, amm_v4, dlmm, localnet)
PROGRAMS: Mapping[Pubkey, Program] = {
    program_id: program for program in _PROGRAMS for program_id in program.PROGRAM_IDS
}
"""All programs whose pools can be traded, by their addresses."""


def program_of(address: Pubkey, account: Account | None) -> Program:
    """The program of a pool; raises AccountRefused for an account of any other program."""
    owner = present(account, f"the pool {address}").owner
    program = PROGRAMS.get(owner)
    if program is None:
        raise AccountRefused(f"the pool {address} belongs to {owner}, which is no known program")
    return program
