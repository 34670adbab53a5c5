"""The watch list in memory: one filter that answers "may this concern us?" for every key that passes."""

from collections.abc import Iterable

from bwm.chain.outpoint import txid_key
from bwm.chain.tx import keys_of_tx, txid_of
from bwm.daemon.by_heart import ByHeart
from bwm.db import guardians, settings, sightings, watched_keys
from bwm.errors import Damaged
from bwm.guardian.grammar import SIGNAL_TEXT
from bwm.watch.index import KeyFilter
from bwm.watch.pool import Pool
from bwm.watch.watch import Watch, What


class WatchList:
    """Loaded from the database; and what is new there, whenever somebody else changed it."""

    def __init__(self, by_heart: ByHeart | None = None) -> None:
        """``by_heart`` learns all that this does, with whose it is."""
        self._by_heart = by_heart
        self.generation = -1
        self.generation_of_plans = -1
        self.fresh_txids: frozenset[str] | None = None
        """What the last refresh added, if these are transactions of which only the id is known; else None."""
        self._removals = -1
        self._last_trigger = 0
        self._filter = KeyFilter()
        self._contested: set[bytes] = set()
        self.has_txids = False
        """Whether a block must be searched for txids: a transaction whose coins are known is found by those."""
        self.has_guardians = False
        """Whether anybody's signal may concern us."""

    def refresh(self) -> bool:
        """Load what changed. True when something did."""
        if self.is_current():
            return False
        generation, of_plans = settings.generations()  # read first: what is added meanwhile is loaded again
        removals, last_trigger = settings.removals(), watched_keys.last_trigger()
        self.fresh_txids = watched_keys.txids_after(self._last_trigger) if removals == self._removals else None
        if removals != self._removals:
            self._filter = KeyFilter(expected=watched_keys.count())
            self._last_trigger = 0
            self._contested = set(sightings.contested_coins())
            self._filter.add(self._contested)
            if self._by_heart:
                self._by_heart.forget()
        if self._by_heart:
            self._by_heart.load(self._last_trigger)
        self._filter.add(watched_keys.of_triggers_after(self._last_trigger))
        self.has_txids = watched_keys.any_txid_of_unknown_coins()
        self.has_guardians = bool(guardians.triggers())
        self.generation, self._removals, self._last_trigger = generation, removals, last_trigger
        self.generation_of_plans = of_plans
        return True

    def expire(self) -> None:
        """Have ``refresh`` say once more that something changed: what followed from the change was not done."""
        self.generation = -1

    def is_current(self) -> bool:
        """Whether nobody changed the watch list since it was loaded."""
        return settings.generation() == self.generation

    def candidates(self, pool: Pool) -> set[bytes]:
        """Those of the keys of a pool that are watched, or that a transaction spends which we follow."""
        some = pool.candidates(self._filter)
        return watched_keys.known(some) | self._contested.intersection(some) if some else set()

    def may_concern(self, raw: bytes) -> bool:
        """Whether a loose transaction deserves a look at once. From any thread; False for what is no transaction."""
        if self.has_guardians and SIGNAL_TEXT in raw:
            return True
        try:
            keys = keys_of_tx(raw)
        except Damaged:
            return False
        if self.has_txids:
            keys.append(txid_key(txid_of(raw)))
        return self._filter.any_of(keys)

    def learn(self, watches: Iterable[Watch]) -> None:
        """Watch more, which the database holds already."""
        watches = tuple(watches)
        self._filter.add(watch.key for watch in watches)
        if self._by_heart:
            self._by_heart.learn(watches)
        if self.has_txids and any(watch.trigger.kind == "txid" and watch.what is What.COIN for watch in watches):
            self.has_txids = watched_keys.any_txid_of_unknown_coins()

    def follow(self, coins: Iterable[bytes]) -> None:
        """A transaction that we follow spends these coins: others that spend them are its rivals."""
        coins = tuple(coins)
        self._contested.update(coins)
        self._filter.add(coins)

    def __len__(self) -> int:
        return len(self._filter)
