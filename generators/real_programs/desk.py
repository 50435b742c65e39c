"""What seeded pools are written with, and what is known of one afterwards."""

import random
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from generators.layouts import TOKEN
from generators.real_programs.chain import Chain

BASE_DECIMALS: Final = (6, 8, 9)
_MOST = 10**14


@dataclass(frozen=True, slots=True)
class Written:
    """A pool on the chain: its address, and the mint of its base asset with its program."""

    address: Pubkey
    base: Pubkey
    decimals: int
    token: Pubkey


@dataclass(frozen=True, slots=True)
class Desk:
    """What a pool is written with: the chain, the program, the mint of USDC, and the draws."""

    chain: Chain
    program: Pubkey
    usdc: Pubkey
    rng: random.Random

    def key(self) -> Pubkey:
        """A new address."""
        return Pubkey.from_bytes(self.rng.randbytes(32))

    def base(self, *programs: Pubkey) -> tuple[Pubkey, int, Pubkey]:
        """A new mint of one of these token programs: its address, decimals and program."""
        mint, decimals = self.key(), self.rng.choice(BASE_DECIMALS)
        program = self.rng.choice(programs)
        self.chain.put_mint(mint, decimals, program)
        return mint, decimals, program

    def program_of(self, mint: Pubkey) -> Pubkey:
        """The token program of a mint."""
        account = self.chain.read([mint])[1][mint]
        return TOKEN if account is None else account.owner

    def units(self, most: int = _MOST) -> int:
        """An amount of any size, small ones as likely as large ones."""
        return max(1_000, int(most ** self.rng.uniform(0.4, 1)))

    def vault(self, mint: Pubkey, owner: Pubkey, amount: int) -> Pubkey:
        """A new token account with this amount."""
        address = self.key()
        self.chain.put_tokens(address, mint, owner, amount, self.program_of(mint))
        return address
