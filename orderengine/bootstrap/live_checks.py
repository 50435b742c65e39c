"""Looks at a live network for its operator: nodes, wallet, and the tokens and pools of the file.

Loaded only with NETWORK=solana. It changes nothing, and signs nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from solders.pubkey import Pubkey

from orderengine.bootstrap.live import usable_cluster, usdc_mint
from orderengine.config.settings import ConfigurationError, wallet_key
from orderengine.config.solana import LAMPORTS_PER_SOL, SolanaSettings
from orderengine.domain.errors import NetworkUnavailable, StorageUnavailable, VenueUnavailable
from orderengine.domain.home import LIVE
from orderengine.domain.instruments import Instrument, Instruments, TokenProgram
from orderengine.domain.pricing import USDC_DECIMALS, to_tokens
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.settlement.solana.strangers import COUNTED_S
from orderengine.solana import requests
from orderengine.solana.accounts import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    Account,
    associated_token_address,
    decode_mint,
    decode_token_account,
)
from orderengine.solana.cluster import DEVNET, MAINNET, Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.reader import PoolReader
from orderengine.solana.refusals import AccountRefused
from orderengine.solana.transactions import MEMO_PREFIX

LOOKED_BACK = 100
"""How many of the wallet's last transactions are looked at."""
_CLUSTERS = {MAINNET: "mainnet", DEVNET: "devnet"}
_PROGRAMS = {TokenProgram.TOKEN: TOKEN_PROGRAM, TokenProgram.TOKEN_2022: TOKEN_2022_PROGRAM}


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one look; `advice` says what to do, and is empty when all is well."""

    name: str
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An address of the instrument file, and how it is on the chain; `agrees` with the file."""

    symbol: str
    place: str
    address: str
    detail: str
    agrees: bool


class _WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


Unknown = Callable[[Sequence[str]], Collection[str]]
"""Those of some transactions that no order of the database has had."""


def looks(
    settings: SolanaSettings, instruments: Instruments, environ: Mapping[str, str], unknown: Unknown
) -> Iterator[Look]:
    """Look at nodes, wallet and pools; without an answer of a node at nothing else."""
    try:
        cluster = usable_cluster(settings, ProcessMetrics())
        genesis = cluster.network().removeprefix(LIVE)
        slot = cluster.ask(lambda node: requests.current_slot(node, requests.CONFIRMED))
    except ConfigurationError as error:
        yield Look("network", str(error), "correct it; web and worker do not start either")
        return
    except NetworkUnavailable as error:
        yield Look("network", str(error), "is SOLANA_RPC_URL right, and does a node answer?")
        return
    name = _CLUSTERS.get(genesis, f"the cluster {genesis}")
    yield Look("network", f"{name} at slot {slot}, by {_names(cluster)}")
    yield from _silent(cluster)
    yield from _wallet(settings, cluster, instruments, environ, unknown)
    wrong = [each for each in compared(settings, instruments) if not each.agrees]
    if not wrong:
        yield Look("pools", f"{len(list(instruments))} instruments are as the file says")
    for each in wrong:
        advice = f"correct {each.place} of {each.symbol} in the instrument file, or leave it empty"
        yield Look("pools", f"{each.symbol}, {each.place}: {each.detail}", advice)


def compared(settings: SolanaSettings, instruments: Instruments) -> Iterator[Comparison]:
    """Compare every address of the instrument file with the chain.

    Raises ConfigurationError if the network may not be used, NetworkUnavailable without an answer.
    """
    cluster = usable_cluster(settings, ProcessMetrics())
    usdc = usdc_mint(settings, cluster)
    listed = list(instruments)
    mints = [Pubkey.from_string(each.mint) for each in listed if each.mint]
    found = _accounts(cluster, [usdc, *mints])
    yield _compared_usdc(usdc, found.get(usdc))
    reader = PoolReader(
        lambda addresses: cluster.ask(lambda node: requests.accounts(node, addresses)),
        lambda: usdc,
        _WallClock(),
    )
    for each in listed:
        if each.mint is None:
            told = "has no mint: it cannot be traded here"
            yield Comparison(each.symbol, "mint", "", told, agrees=False)
            continue
        yield _compared_mint(each, each.mint, found.get(Pubkey.from_string(each.mint)))
        yield from _compared_pools(each, reader)


def _compared_usdc(mint: Pubkey, account: Account | None) -> Comparison:
    told = _mint_fault(account, str(mint), USDC_DECIMALS, TOKEN_PROGRAM)
    return Comparison("USDC", "mint", str(mint), told or "as it should be", agrees=told is None)


def _compared_mint(instrument: Instrument, mint: str, account: Account | None) -> Comparison:
    program = _PROGRAMS[instrument.token_program]
    told = _mint_fault(account, mint, instrument.decimals, program)
    detail = told or f"{instrument.decimals} decimals, {instrument.token_program}"
    return Comparison(instrument.symbol, "mint", mint, detail, agrees=told is None)


def _mint_fault(account: Account | None, mint: str, decimals: int, program: Pubkey) -> str | None:
    try:
        found = decode_mint(account, f"the mint {mint}")
    except AccountRefused as error:
        return str(error)
    if found.decimals != decimals:
        return f"it has {found.decimals} decimals, not {decimals}"
    if found.program != program:
        return f"it belongs to the token program {found.program}"
    return None


def _compared_pools(instrument: Instrument, reader: PoolReader) -> Iterator[Comparison]:
    """Each pool of the instrument: its kind, or why it cannot be traded."""
    if not instrument.pools:
        told = "none is listed: no venue quotes it"
        yield Comparison(instrument.symbol, "pools", "", told, agrees=True)
        return
    try:
        pools = reader.read(instrument).pools
    except VenueUnavailable as error:
        pools = dict.fromkeys(instrument.pools, AccountRefused(str(error)))
    for venue, address in instrument.pools.items():
        pool = pools[venue]
        if isinstance(pool, AccountRefused):
            yield Comparison(instrument.symbol, venue, address, str(pool), agrees=False)
            continue
        usdc = to_tokens(pool.usdc.amount, pool.usdc.decimals)
        detail = f"{pool.kind}, {usdc:.2f} USDC"
        yield Comparison(instrument.symbol, venue, address, detail, agrees=True)


def _wallet(
    settings: SolanaSettings,
    cluster: Cluster,
    instruments: Instruments,
    environ: Mapping[str, str],
    unknown: Unknown,
) -> Iterator[Look]:
    if not (environ.get("SOLANA_KEYPAIR_FILE") or environ.get("SOLANA_PRIVATE_KEY")):
        yield Look("wallet", "not known here: the worker alone has its key")
        return
    try:
        address = Wallet.read(wallet_key(environ)).address
    except ConfigurationError as error:
        yield Look("wallet", str(error), "correct it; the worker does not start either")
        return
    try:
        yield _holdings(settings, cluster, instruments, address)
        yield _strangers(cluster, address, unknown)
    except StorageUnavailable as error:
        yield Look("strangers", str(error), "fix PostgreSQL first")
    except NetworkUnavailable as error:
        yield Look("wallet", f"{address}: {error}", "name a node with history in SOLANA_RPC_URL")


def _holdings(
    settings: SolanaSettings, cluster: Cluster, instruments: Instruments, address: Pubkey
) -> Look:
    usdc = associated_token_address(address, usdc_mint(settings, cluster), TOKEN_PROGRAM)
    tokens = {
        each.symbol: associated_token_address(
            address, Pubkey.from_string(each.mint), _PROGRAMS[each.token_program]
        )
        for each in instruments
        if each.mint
    }
    found = _accounts(cluster, [address, usdc, *tokens.values()])
    held = found.get(address)
    lamports = held.lamports if held else 0
    owned = [symbol for symbol, account in tokens.items() if found.get(account)]
    detail = (
        f"{address} has {Decimal(lamports) / LAMPORTS_PER_SOL:f} SOL,"
        f" {to_tokens(_units(found.get(usdc)), USDC_DECIMALS):f} USDC, and token accounts of"
        f" {len(owned)} of {len(tokens)} instruments"
    )
    if lamports > settings.reserve_lamports:
        return Look("wallet", detail)
    return Look("wallet", detail, "send SOL to it: fees and rent come from there")


def _strangers(cluster: Cluster, address: Pubkey, unknown: Unknown) -> Look:
    """How many of the wallet's last transactions somebody else made, or another stack."""
    found = cluster.ask(lambda node: requests.transactions_of(node, address, LOOKED_BACK))
    strange = set(unknown([each.signature for each in found]))
    detail = f"{len(strange)} of the wallet's last {len(found)} transactions are not of this stack"
    oldest = _WallClock().now().timestamp() - COUNTED_S
    rivals = [
        each
        for each in found
        if each.signature in strange and MEMO_PREFIX in each.memo and (each.at_s or 0) >= oldest
    ]
    if not rivals:
        return Look("strangers", detail)
    told = f"{detail}; another stack of this engine made {len(rivals)} within the last hour"
    return Look("strangers", told, "give each stack a wallet of its own")


def _units(account: Account | None) -> int:
    try:
        return decode_token_account(account, "the account").amount
    except AccountRefused:
        return 0


def _accounts(cluster: Cluster, addresses: Sequence[Pubkey]) -> Mapping[Pubkey, Account | None]:
    found: dict[Pubkey, Account | None] = {}
    for part in requests.in_parts(list(dict.fromkeys(addresses))):
        found |= cluster.ask(partial(requests.accounts, addresses=part))[1]
    return found


def _names(cluster: Cluster) -> str:
    return ", ".join(node.name for node in cluster.nodes)


def _silent(cluster: Cluster) -> Iterator[Look]:
    answers = cluster.ask_each(lambda node: requests.current_slot(node, requests.CONFIRMED))
    for node, answer in zip(cluster.nodes, answers, strict=True):
        if isinstance(answer, NetworkUnavailable):
            advice = "the others are asked instead; remove it, or ask its provider"
            yield Look("node", f"{node.name}: {answer}", advice)
