"""The one place from which the daemon writes what it learned: facts read, changes planned, one commit, bells rung."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from bwm.chain.block import BlockRef
from bwm.clock import Clock
from bwm.daemon.finder import Finding
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.watchlist import WatchList
from bwm.db import cursor, guardians, sightings, unresolved, watches
from bwm.db.alerts import Target
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import DatabaseUnwritable
from bwm.plan import AlertChange, Changes, CursorMove, Facts
from bwm.watch.scan import Found
from bwm.watch.sighting import Sighting
from bwm.watch.watch import Family, Watch

log = structlog.get_logger()

_PASSED_AT_ONCE = 20  # blocks: some tenths of a second of a catch-up, two seconds on a small machine


class Writer:
    """Hands a plan its facts and makes it true."""

    def __init__(
        self,
        database: Database,
        watch_list: WatchList,
        targets: Sequence[Target],
        clock: Clock,
        default_depth: int,
        on_orders: Callable[[], None],
        shout: Callable[[Sequence[AlertChange]], None],
        desk: PolicyDesk | None = None,
    ) -> None:
        self._database = database
        self._watch_list = watch_list
        self._targets = targets
        self._clock = clock
        self._default_depth = default_depth
        self._on_orders = on_orders
        self._shout = shout
        self._desk = desk
        self.steps = 0
        """How often something was written, the mere passing of blocks apart."""
        self.taught: list[Watch] = []
        """What is watched besides since somebody cleared this list."""
        self._passed: list[BlockRef] = []

    @property
    def network(self) -> str:
        """Which network the database is of."""
        return self._database.network

    def now(self) -> int:
        """Unix seconds."""
        return self._clock.now()

    def facts(self, known: Iterable[Sighting], finding: Finding | None = None, *, rivals: bool = False) -> Facts:
        """What the database knows of some sightings and of what was found; with the coins that rivals may take."""
        self.note_passed()
        found = finding.found if finding else ()
        rows = [*known, *sightings.by_txids([tx.txid for tx, _ in found])]
        triggers = [row.trigger for row in rows] + [match.trigger for _, found_ in found for match in found_]
        return Facts(
            network=self.network,
            vaults=watches.vault_facts({trigger.vault for trigger in triggers if trigger.vault}),
            sightings={row.place: row for row in rows},
            contested=sightings.contested_coins() if rivals else {},
            payments=sightings.payments_since(self.now() - 3600, _paid(found)),
            past=sightings.past([tx.txid for tx, _ in found]),
            default_depth=self._default_depth,
            tip_height=at.height if (at := cursor.at()) else 0,
            guardians=tuple(guardians.all_facts(self.now())),
            spent_scripts=finding.spent_scripts if finding else {},
            balances=finding.balances if finding else {},
            waiting=unresolved.waiting(),
            resolved=finding.resolved if finding else frozenset(),
            unresolved=finding.unresolved if finding else (),
        )

    def facts_of_vaults(self, coins: Iterable[Watch]) -> Facts:
        """What the database knows of the vaults that some coins belong to."""
        names = {watch.trigger.vault for watch in coins if watch.trigger.vault}
        return Facts(network=self._database.network, vaults=watches.vault_facts(names))

    def shout(self, changes: Changes) -> None:
        """Have alerts told that cannot be written down: rather twice than never."""
        self._shout(changes.alerts)

    def pass_over(self, block: BlockRef) -> None:
        """The next block was read and holds nothing for us. So many of them are noted in one transaction.

        A crash before that has them read again, and as nothing was written of them, nothing is told twice.
        """
        self._passed.append(block)
        if len(self._passed) >= _PASSED_AT_ONCE:
            self.note_passed()

    def note_passed(self) -> None:
        """Move the cursor over all blocks that were passed over: before anything is decided from where it stands."""
        if self._passed:
            *passed, last = self._passed
            commit(self._database, Changes(cursor=CursorMove(last, tuple(passed))), (), self._clock.now())
            self._passed.clear()

    def write(self, changes: Changes, finding: Finding | None = None) -> None:
        """Commit, watch what was learned, and wake who carries out orders. Raises WatchListChanged."""
        if finding and finding.extended:
            changes = replace(changes, watches=(*finding.extended, *changes.watches))
        if changes.is_empty:
            return
        try:
            self.note_passed()
            changes = self._judged(changes)
            new = commit(self._database, changes, self._targets, self._clock.now(), self._generation_of(changes))
        except DatabaseUnwritable:
            self.shout(changes)
            raise
        self.steps += 1
        self.taught += changes.watches
        self._watch_list.learn(changes.watches)
        self._watch_list.follow(item.spends for tx in changes.transactions for item in tx.inputs)
        for event in changes.events if new else ():
            log.info("event", kind=event.kind, vault=event.vault, guardian=event.guardian, key=event.key)
        if new and (changes.alerts or changes.decisions):
            self._on_orders()

    def _judged(self, changes: Changes) -> Changes:
        return judged(self._desk, self._database, changes, self._clock.now()) if self._desk else changes

    def _generation_of(self, changes: Changes) -> int | None:
        """Of the watch list, where the changes depend on it: what was removed meanwhile must not come back."""
        depends = changes.sightings or changes.watches or changes.guardians
        return self._watch_list.generation_of_plans if depends else None


def _paid(found: Found) -> set[int]:
    """The ids of the triggers that were paid."""
    return {match.trigger.id for _, matches in found for match in matches if match.family is Family.FUNDS}
