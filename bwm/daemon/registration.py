"""From what a person asks to have watched to the keys that come down to it, and to what the chain already knows.

Nothing is written here: everything is looked up first, so that a registration is whole or not at all.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bwm.chain.address import address_of_script, script_of_address
from bwm.chain.block import BlockRef
from bwm.chain.network import Network
from bwm.chain.outpoint import outpoint_text, parse_outpoint, parse_txid, txid_key, txid_text
from bwm.chain.tx import parse_tx
from bwm.clock import from_rfc3339, rfc3339
from bwm.config import GAP_LIMIT
from bwm.daemon.look_up import Known, look_up
from bwm.db.vaults import NewKey, NewTrigger, NewVault
from bwm.errors import UsageError
from bwm.node.answers import Coin
from bwm.node.bitcoind import Bitcoind
from bwm.severity import Severity
from bwm.watch.watch import What

_SEARCHED = 2000
"""Scripts of each branch of a descriptor that are looked for in the set of unspent coins."""

_WATCHED = 1000
"""Scripts of each branch that are watched at least: addresses that were used and emptied leave no coin to tell."""

_SCRIPTS_AT_ONCE = 100_000
"""Scripts looked for in one search: the node takes no request of more than 32 MiB."""

_DAY_S = 86_400
_LONGEST_REPEATED = 100  # characters of what was mistyped

_T = TypeVar("_T")

_NAME = re.compile(r"[^\W_][\w.@ -]{0,63}")


@dataclass(frozen=True, slots=True)
class Wish:
    """A vault as a person asks for it, in their own words."""

    name: str
    txids: tuple[str, ...] = ()
    outpoints: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()
    birthday: str | None = None  # a height, or a date
    severity: Severity = Severity.EMERGENCY
    final_depth: int = 6
    tags: tuple[str, ...] = ()


def wish_of(usual_depth: int, **given: Any) -> Wish:
    """What somebody gave, by the names of a wish's fields; what is None is as usual."""
    said = {name: value for name, value in given.items() if value is not None}
    severity = Severity(said.pop("severity", Severity.EMERGENCY))
    return Wish(**({"final_depth": usual_depth} | said), severity=severity)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Vaults ready to be written, and what their owner should know about them."""

    vaults: tuple[NewVault, ...]
    remarks: tuple[str, ...]


def prepare(
    wishes: Sequence[Wish],
    network: Network,
    node: Bitcoind,
    gap_limit: int = GAP_LIMIT,
    on_progress: Callable[[float], None] = lambda percent: None,
) -> Prepared:
    """Everything that the wishes come down to, as of the node's tip.

    Raises UsageError for a wish that cannot be granted, naming it; NodeError when the node cannot be asked.
    ``on_progress`` hears percentages: of what is asked one by one, then of each search for the coins of scripts, which
    takes minutes on a large chain.
    """
    read = [_Reader(wish, network, node, gap_limit) for wish in wishes]
    seen: set[str] = set()
    for reader in read:
        reader.check()
        if reader.wish.name in seen:
            raise UsageError(f"Vault {reader.wish.name!r} is there twice; nothing was added.")
        seen.add(reader.wish.name)
    tip = node.tip()
    birthdays = {birthday: height_of_birthday(birthday, node, tip) for birthday in {wish.birthday for wish in wishes}}
    txids = {txid for reader in read for txid in reader.txids}
    outpoints = {outpoint for reader in read for outpoint in reader.outpoints}
    known = look_up(node, txids, outpoints, on_progress)
    for reader in read:
        reader.look(known, tip, birthdays[reader.wish.birthday])
    scripts = sorted({key.key for reader in read for key in reader.script_keys()})
    coins: dict[bytes, list[NewKey]] = {}
    for start in range(0, len(scripts), _SCRIPTS_AT_ONCE):
        scan = node.scan_utxos(scripts[start : start + _SCRIPTS_AT_ONCE], on_progress=on_progress)
        tip = min(tip, BlockRef(scan.height, scan.hash), key=lambda block: block.height)
        for found in scan.coins:
            coins.setdefault(found.coin.script, []).append(NewKey(What.COIN, found.outpoint, found.coin.sats))
    vaults = tuple(reader.vault(tip, coins) for reader in read)
    return Prepared(vaults, (*known.remarks, *(remark for reader in read for remark in reader.remarks)))


class _Reader:
    """One wish on its way to a vault."""

    __slots__ = (
        "_birthday",
        "_scripts",
        "_triggers",
        "gap_limit",
        "network",
        "node",
        "outpoints",
        "remarks",
        "txids",
        "wish",
    )

    def __init__(self, wish: Wish, network: Network, node: Bitcoind, gap_limit: int) -> None:
        self.wish = wish
        self.network = network
        self.node = node
        self.gap_limit = gap_limit
        self.remarks: list[str] = []
        self._triggers: list[NewTrigger] = []
        self._birthday: int | None = None

    def check(self) -> None:
        """Read all that needs no node first: a slip of the pen is told at once."""
        wish = self.wish
        check_name(wish.name)
        if wish.final_depth < 1:
            raise UsageError(f"Vault {wish.name!r}: the final depth is a number of blocks, at least 1.")
        self.txids = _unique(wish.txids, parse_txid)
        self.outpoints = _unique(wish.outpoints, parse_outpoint)
        self._scripts = _unique(wish.addresses, lambda text: script_of_address(text.strip(), self.network))
        if not (self.txids or self.outpoints or self._scripts or wish.descriptors):
            raise UsageError(
                f"Vault {wish.name!r} would watch nothing. Give at least one --txid, --outpoint, --address or "
                "--descriptor."
            )

    def look(self, known: Known, tip: BlockRef, birthday: int | None) -> None:
        """Make the triggers, with what the node knows of each."""
        self._birthday = birthday
        self._triggers = [self._txid(txid, known, tip) for txid in self.txids]
        self._triggers += [self._outpoint(outpoint, known.coins.get(outpoint)) for outpoint in self.outpoints]
        self._look_for_spent([outpoint for outpoint in self.outpoints if outpoint not in known.coins], known, tip)
        self._triggers += [self._script(script) for script in self._scripts]
        self._triggers += [self._descriptor(text.strip()) for text in dict.fromkeys(self.wish.descriptors)]

    def script_keys(self) -> Iterable[NewKey]:
        """The scripts whose coins are to be found."""
        if not (self._scripts or self.wish.descriptors):
            return ()
        return (key for trigger in self._triggers for key in trigger.keys if key.what is What.SCRIPT)

    def vault(self, tip: BlockRef, coins: dict[bytes, list[NewKey]]) -> NewVault:
        """The vault, with the coins that its scripts hold."""
        return NewVault(
            name=self.wish.name,
            triggers=tuple(self._with_coins(trigger, coins) for trigger in self._triggers),
            severity=self.wish.severity,
            final_depth=self.wish.final_depth,
            birthday=self._birthday,
            registered=tip,
            tags=self.wish.tags,
        )

    def _txid(self, txid: str, known: Known, tip: BlockRef) -> NewTrigger:
        keys = [NewKey(What.TXID, txid_key(txid))]
        if found := known.transactions.get(txid):
            keys += [NewKey(What.COIN, item.spends) for item in parse_tx(found.raw).inputs]
            if found.confirmations > 0:
                self._born(tip.height - found.confirmations + 1)
        elif (height := known.heights.get(txid)) is not None:
            self._born(height)
        return NewTrigger("txid", txid, tuple(keys))

    def _born(self, height: int) -> None:
        """The chain holds something of the vault already: it is read from there on."""
        self._birthday = height if self._birthday is None else min(self._birthday, height)

    def _outpoint(self, outpoint: bytes, coin: Coin | None) -> NewTrigger:
        key = NewKey(What.COIN, outpoint, coin.sats if coin else None)
        return NewTrigger("outpoint", outpoint_text(outpoint), (key,))

    def _look_for_spent(self, outpoints: Sequence[bytes], known: Known, tip: BlockRef) -> None:
        """A node with txindex tells where a spent coin was made: its spend is looked for from there on."""
        lost = [] if known.transactions else list(outpoints)
        for outpoint in outpoints if known.transactions else ():
            made = known.transactions.get(txid_text(outpoint[:32]))
            if made is not None and made.confirmations > 0:
                self._born(tip.height - made.confirmations + 1)
            else:
                lost.append(outpoint)
        if lost:
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            self.remarks.append(
                f"{outpoint_text(lost[0])}{more}: not among the unspent coins, so not made yet or spent before. "
                f"Watched all the same. To look for a spend in the past: bwm rescan {self.wish.name!r} --from HEIGHT"
            )

    def _script(self, script: bytes) -> NewTrigger:
        address = address_of_script(script, self.network) or script.hex()
        return NewTrigger("script", address, (NewKey(What.SCRIPT, script),))

    def _descriptor(self, descriptor: str) -> NewTrigger:
        last = _SEARCHED - 1 if "*" in descriptor else 0
        branches = self.node.derive(descriptor, 0, last)
        keys = [
            NewKey(What.SCRIPT, script_of_address(address, self.network), branch=branch, position=position)
            for branch, addresses in enumerate(branches)
            for position, address in enumerate(addresses)
        ]
        return NewTrigger("descriptor", descriptor, tuple(keys))

    def _with_coins(self, trigger: NewTrigger, coins: dict[bytes, list[NewKey]]) -> NewTrigger:
        """Add the coins found; of a descriptor keep the first scripts, and a gap limit beyond the last with coins."""
        if trigger.kind in ("txid", "outpoint"):
            return trigger
        last_used: dict[int | None, int] = {}
        for key in trigger.keys:
            if key.key in coins and key.position is not None:
                last_used[key.branch] = max(last_used.get(key.branch, -1), key.position)
        kept = [
            key
            for key in trigger.keys
            if key.position is None or key.position < max(_WATCHED, last_used.get(key.branch, -1) + self.gap_limit + 1)
        ]
        held = [coin for key in kept if key.what is What.SCRIPT for coin in coins.get(key.key, ())]
        return replace(trigger, keys=(*kept, *held))


def _unique(texts: Iterable[str], parse: Callable[[str], _T]) -> list[_T]:
    """What they say. Raises the error of ``parse``, with the text in front of it: several may have been given."""
    found: dict[_T, None] = {}
    text = ""
    try:
        for text in texts:
            found[parse(text)] = None
    except UsageError as error:
        raise type(error)(f"{text[:_LONGEST_REPEATED]!r}: {error}") from None
    return list(found)


def check_name(name: str) -> None:
    """Raise UsageError for a name that people could not read or type."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a vault: use 1 to 64 letters, digits, spaces and . _ @ -, with a letter or "
            "digit first."
        )


def height_of_birthday(birthday: str | None, node: Bitcoind, tip: BlockRef) -> int | None:
    """The height from which the chain is to be read. A date means its first block, less two hours of miners' clocks.

    Raises UsageError for what is neither a height nor a date, or lies above or well after the tip.
    """
    if birthday is None:
        return None
    if birthday.isdecimal():
        height = int(birthday)
        if height > tip.height:
            raise UsageError(f"Block {height} is above the node's tip, {tip.height}. Give a height of the past.")
        return height
    try:
        at = from_rfc3339(birthday)
    except ValueError:
        raise UsageError(
            f"{birthday!r} is no place in the chain: give a block height like 820000 or a date like 2026-01-31."
        ) from None
    last = node.block_header(tip.hash)
    if last is not None and at > last.time + _DAY_S:
        raise UsageError(
            f"{birthday} lies after the node's last block, of {rfc3339(last.time)}. Give a date of the past."
        )
    return _first_height_since(at - 7200, node, tip)


def _first_height_since(at: int, node: Bitcoind, tip: BlockRef) -> int:
    low, high = 0, tip.height
    while low < high:
        middle = (low + high) // 2
        header = node.block_header(node.block_hash(middle))
        if header is not None and header.time < at:
            low = middle + 1
        else:
            high = middle
    return low
