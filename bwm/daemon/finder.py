"""What in a pool of transactions touches our triggers, once everything learned on the way is watched as well."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bwm.chain.address import script_of_address
from bwm.chain.network import Network
from bwm.chain.tx import Tx
from bwm.daemon.resolve import Speaking
from bwm.daemon.watchlist import WatchList
from bwm.db import guardians, watches
from bwm.guardian.grammar import SIGNAL_TEXT
from bwm.node.bitcoind import Bitcoind
from bwm.watch.pool import Pool
from bwm.watch.scan import Found, keys_of, scan_all
from bwm.watch.watch import Match, Trigger, Watch, WatchIndex, What

_TOGETHER, _MOST_TOGETHER = 200, 2000
"""Triggers whose matches are written in one transaction: at first, and later."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The suspects of a pool with what they match, and the scripts that descriptors watch from now on."""

    found: Found
    extended: tuple[Watch, ...] = ()
    spent_scripts: Mapping[bytes, bytes | None] = field(default_factory=dict)  # of transactions with a signal
    balances: Mapping[str, int] = field(default_factory=dict)  # sat at least, of guardians whose coins moved
    resolved: frozenset[str] = frozenset()  # txids of transactions with a signal, of which we know whose it is
    unresolved: tuple[Tx, ...] = ()  # those of which we do not

    @property
    def is_empty(self) -> bool:
        """True when nothing concerns us."""
        return not self.found and not self.unresolved

    def parts(self) -> list["Finding"]:
        """The same, for so many triggers at a time, the oldest first: anybody may watch a transaction a thousand times,
        and nobody is told of it before all that is written together is written.
        """
        ids = sorted({match.trigger.id for _, matches in self.found for match in matches})
        if len(ids) <= _TOGETHER:
            return [self]
        parts, start, size = [], 0, _TOGETHER
        while start < len(ids):
            some = set(ids[start : start + size])
            chosen = [(tx, tuple(match for match in found if match.trigger.id in some)) for tx, found in self.found]
            parts.append(replace(self, found=[(tx, matches) for tx, matches in chosen if matches]))
            start, size = start + size, min(2 * size, _MOST_TOGETHER)  # what is known already is read again each time
        return parts


class Finder:
    """Knows the watch list; asks the node only for more scripts of a descriptor whose gap limit moves."""

    def __init__(self, watch_list: WatchList, node: Bitcoind, network: Network, gap_limit: int) -> None:
        self._watch_list = watch_list
        self._node = node
        self._network = network
        self._gap_limit = gap_limit

    def find(self, pool: Pool, block_hash: str | None = None, only: Container[int] | None = None) -> Finding:
        """Everything in ``pool`` that touches a trigger; with ``only``, a trigger of these ids.

        ``block_hash``: of the block that the pool is; None for the mempool.

        A coin or a script that is learned from one transaction may be touched by another of the same pool, so
        the search goes on until it teaches nothing new.
        """
        holding = pool.holding(SIGNAL_TEXT) if self._watch_list.has_guardians else ()
        speaking = Speaking(holding, self._node, block_hash)
        extended = speaking.unknown_coins(only)
        wanted = {*self._watch_list.candidates(pool), *(watch.key for watch in extended)}
        if not wanted and not speaking.txids:
            return Finding(())  # as with nearly every transaction
        while True:
            suspects = pool.touching(wanted)
            found = self._scan(suspects, extended, only)
            extended += self._extensions(found, extended)
            learned = {watch.key for _, matches in found for match in matches for watch in match.learned}
            learned |= {watch.key for watch in extended}
            fresh = (learned - wanted).intersection(pool.keys()) if learned - wanted else set()
            if not fresh:
                unresolved = speaking.unresolved(found)
                return Finding(
                    found,
                    tuple(extended),
                    speaking.spent_scripts,
                    self._balances(found),
                    speaking.txids - {tx.txid for tx in unresolved},
                    unresolved,
                )
            wanted |= fresh

    def _scan(self, suspects: list[Tx], extended: Iterable[Watch], only: Container[int] | None) -> Found:
        keys = list(dict.fromkeys(key for tx in suspects for key in keys_of(tx)))
        known = [watch for watch in watches.by_keys(keys) if only is None or watch.trigger.id in only]
        matches = {tx.txid: found for tx, found in scan_all(suspects, WatchIndex([*known, *extended]))}
        return [(tx, matches.get(tx.txid, ())) for tx in suspects]

    def _extensions(self, found: Found, extended: Iterable[Watch]) -> list[Watch]:
        """The scripts that come within a descriptor's gap limit because later ones are in use."""
        used: dict[tuple[Trigger, int], int] = {}
        for match in (match for _, matches in found for match in matches):
            for watch in match.used:
                if watch.branch is not None and watch.position is not None and _is_ranged(match):
                    place = (match.trigger, watch.branch)
                    used[place] = max(used.get(place, -1), watch.position)
        added: list[Watch] = []
        for (trigger, branch), position in used.items():
            highest = watches.highest_positions(trigger.id).get(branch, -1)
            ours = [w.position or 0 for w in extended if w.trigger == trigger and w.branch == branch]
            highest = max([highest, *ours])
            if position + self._gap_limit > highest:
                added += self._derive(trigger, branch, highest + 1, position + self._gap_limit)
        return added

    def _derive(self, trigger: Trigger, branch: int, first: int, last: int) -> list[Watch]:
        addresses = self._node.derive(trigger.key, first, last)[branch]
        return [
            Watch(
                trigger,
                What.SCRIPT,
                script_of_address(address, self._network),
                branch=branch,
                position=first + n,
            )
            for n, address in enumerate(addresses)
        ]

    def _balances(self, found: Found) -> Mapping[str, int]:
        """What guardians whose coins moved hold now at least, in sat; 0 only where nothing is left.

        The node is asked about all coins that a guardian ever had, which anybody can make as many as he likes: not for
        each payment, nor where the transaction itself leaves something.
        """
        made: dict[str, int] = {}
        moved: set[str] = set()
        for match in (match for _, matches in found for match in matches):
            if name := match.trigger.guardian:
                made[name] = made.get(name, 0) + sum(coin.sats or 0 for coin in match.learned)
                if match.spent:
                    moved.add(name)
        return {name: made[name] or self._balance(name) for name in moved}

    def _balance(self, guardian: str) -> int:
        coins = self._node.coins(guardians.coins(guardian), include_mempool=True)
        return sum(coin.sats for coin in coins.values())


def _is_ranged(match: Match) -> bool:
    return "*" in match.trigger.key
