"""The nouns of watching: what a person asked for (Trigger), the bytes it comes down to (Watch), a find (Match)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class What(StrEnum):
    """What a watched key is: a transaction's id, a coin (outpoint), or an output's scriptPubKey."""

    TXID = "txid"
    COIN = "coin"
    SCRIPT = "script"


class Family(StrEnum):
    """The first word of a sighting's events: what happened to the trigger's owner."""

    TRIGGER = "trigger"  # coins move out, or a watched transaction appears
    FUNDS = "funds"  # coins come in
    GUARDIAN = "guardian"  # a Guardian Address is spent from or paid to


@dataclass(frozen=True, slots=True)
class Trigger:
    """One thing that a vault or a guardian watches, as its owner named it."""

    id: int
    kind: str  # the name of a module in watch/triggers
    key: str  # txid, outpoint, address or descriptor, as people read it
    vault: str | None
    guardian: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """One key that a trigger comes down to. A descriptor has many, a txid one and then the coins it spends."""

    trigger: Trigger
    what: What
    key: bytes
    sats: int | None = None  # of a coin, when known
    branch: int | None = None  # of a descriptor's script: which of its paths ...
    position: int | None = None  # ... and the index on it


@dataclass(frozen=True, slots=True)
class Match:
    """A transaction touches a trigger."""

    trigger: Trigger
    txid: str
    family: Family
    sats: int | None  # what moved out of the trigger's coins, else what came in; None: amounts not known
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    learned: tuple[Watch, ...] = ()  # coins that are watched from now on because of this transaction
    spent: tuple[Watch, ...] = ()  # the trigger's coins among the inputs
    used: tuple[Watch, ...] = ()  # scripts of the trigger that were paid: a descriptor's gap limit moves


class WatchIndex:
    """The watches that some transactions may touch, by key. Usually small; made anew for each look.

    ``learn`` adds what a transaction taught, so that a coin made and spent in one block is seen.
    """

    def __init__(self, watches: Iterable[Watch] = ()) -> None:
        self._by_key: dict[tuple[What, bytes], dict[int, Watch]] = {}  # each by its trigger: one key may have thousands
        self._count = 0
        self._add(watches)

    def learn(self, matches: Iterable[Match]) -> None:
        """Watch what these taught as well."""
        self._add(watch for match in matches for watch in match.learned)

    def _add(self, watches: Iterable[Watch]) -> None:
        for watch in watches:
            known = self._by_key.setdefault((watch.what, watch.key), {})
            if watch.trigger.id not in known:
                known[watch.trigger.id] = watch
                self._count += 1

    def by_coin(self, outpoint: bytes) -> tuple[Watch, ...]:
        """The watches on one coin, by its 36-byte outpoint."""
        return self._of(What.COIN, outpoint)

    def by_script(self, script: bytes) -> tuple[Watch, ...]:
        """The watches on one scriptPubKey."""
        return self._of(What.SCRIPT, script)

    def by_txid(self, txid_key: bytes) -> tuple[Watch, ...]:
        """The watches on one transaction, by its 32 bytes as serialised."""
        return self._of(What.TXID, txid_key)

    def _of(self, what: What, key: bytes) -> tuple[Watch, ...]:
        known = self._by_key.get((what, key))
        return tuple(known.values()) if known else ()

    def __iter__(self) -> Iterator[Watch]:
        return (watch for watches in self._by_key.values() for watch in watches.values())

    def __len__(self) -> int:
        return self._count
