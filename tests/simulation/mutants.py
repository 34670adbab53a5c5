"""Bugs planted on purpose, each a patch of bwm: the simulation must notice every one of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from bwm import check_in
from bwm.chain.block import BlockRef
from bwm.daemon import finder, follow_chain, writer
from bwm.daemon.dispatch import ChannelWorker
from bwm.daemon.finder import Finder
from bwm.daemon.follow_chain import ChainFollower
from bwm.daemon.follow_mempool import MempoolFollower
from bwm.daemon.ingest import Ingest
from bwm.daemon.read_backlog import BacklogReader
from bwm.daemon.registration import _Reader
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import cursor, decisions, outbox, stand_down, watches
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import ChannelError
from bwm.guardian import state
from bwm.guardian.state import Signal
from bwm.plan import Changes, plan_rewind
from bwm.watch.scan import scan
from tests.simulation.node import SimNode

Plant = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. ``kinds``: the sorts of violations by which it may show; any other does not count as caught."""

    plant: Plant
    kinds: frozenset[str]


MUTANTS: dict[str, Mutant] = {}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Inside, the bug of that name is in bwm."""
    with MUTANTS[name].plant() if name else nullcontext():
        yield


def mutant(name: str, *kinds: str) -> Callable[[Plant], Plant]:
    """The bug of that name, which shows by violations of these kinds."""

    def add(plant: Plant) -> Plant:
        MUTANTS[name] = Mutant(plant, frozenset(kinds))
        return plant

    return add


def nothing(*args: Any, **options: Any) -> None:
    """Do not do it."""


def yes(*args: Any, **options: Any) -> bool:
    return True


def all_of(self: Any, given: Any) -> set[Any]:
    """Without a look."""
    return set(given)


def as_it_is(self: Any, given: Any, *rest: Any) -> Any:
    """What was given, as if nothing had been found."""
    return given


# The chain


@mutant("cursor written before the events", "miss", "cursor", "state", "journal")
def _() -> AbstractContextManager[object]:
    def in_two_steps(database: Database, changes: Changes, *rest: Any) -> int:
        if changes.cursor:
            with database.transaction():
                cursor.move(changes.cursor.to)
        return commit(database, replace(changes, cursor=None), *rest)

    return patch.object(writer, "commit", in_two_steps)


@mutant("coins made and spent in one block not seen", "miss", "cursor")
def _() -> AbstractContextManager[object]:
    def one_pass(txs: Sequence[Any], index: Any) -> Any:
        return tuple((tx, matches) for tx in txs if (matches := scan(tx, index)))

    return patch.object(finder, "scan_all", one_pass)


@mutant("reorg ignores sightings", "state", "cursor", "journal")
def _() -> AbstractContextManager[object]:
    return patch.object(
        follow_chain, "plan_rewind", lambda to, facts, now: plan_rewind(to, replace(facts, sightings={}), now)
    )


@mutant("rewind one block too few", "miss", "cursor", "state")
def _() -> AbstractContextManager[object]:
    rewind = ChainFollower._rewind

    def too_few(self: Any, at: BlockRef, to: BlockRef, *rest: Any, **options: Any) -> None:
        higher = min(to.height + 1, self._node.tip().height)
        rewind(self, at, BlockRef(higher, self._node.block_hash(higher)), *rest, **options)

    return patch.object(ChainFollower, "_rewind", too_few)


@mutant("rival in a block not noticed", "state")
def _() -> AbstractContextManager[object]:
    @contextmanager
    def blind() -> Iterator[None]:
        with patch("bwm.plan._rivals", lambda *facts: []), patch.object(MempoolFollower, "_find_rival", as_it_is):
            yield

    return blind()


@mutant("rival of what a reorg unmined not looked for", "state")
def _() -> AbstractContextManager[object]:
    return patch("bwm.daemon.follow_chain.sightings.contested_coins", dict)


@mutant("final one block too early", "false")
def _() -> AbstractContextManager[object]:
    vault_facts = watches.vault_facts

    def shallow(names: Any) -> Any:
        return {name: replace(one, final_depth=max(1, one.final_depth - 1)) for name, one in vault_facts(names).items()}

    return patch.object(watches, "vault_facts", shallow)


@mutant("network never checked", "false", "state", "miss")
def _() -> AbstractContextManager[object]:
    return patch.object(SimNode, "check_network", nothing)


@mutant("conclusions drawn from a node that fetches its chain", "false", "state")
def _() -> AbstractContextManager[object]:
    check_node = Ingest._check_node

    def trusting(self: Any) -> None:
        check_node(self)
        self._is_syncing = False
        self._parts.health.end("syncing")

    return patch.object(Ingest, "_check_node", trusting)


# The mempool and the feed


@mutant("mempool known for ever after a vault was added", "miss")
def _() -> AbstractContextManager[object]:
    return patch.object(MempoolFollower, "forget", nothing)


@mutant("mempool never looked at", "miss", "state")
def _() -> AbstractContextManager[object]:
    return patch.object(MempoolFollower, "look", yes)


@mutant("what left the mempool not missed", "state")
def _() -> AbstractContextManager[object]:
    return patch.object(MempoolFollower, "_miss", nothing)


@mutant("feed trusted without asking the node", "false")
def _() -> AbstractContextManager[object]:
    @contextmanager
    def trusting() -> Iterator[None]:
        def believe(self: Any, raws: Any) -> bool:
            self._search([raw for raw in raws if len(raw) > 60 and raw[4] in (0, 1, 2) and raw[:4] == b"\x02\0\0\0"])
            return False

        with patch.object(MempoolFollower, "hear", believe), patch.object(MempoolFollower, "_unmined", all_of):
            yield

    return trusting()


# Vaults that come late


@mutant("backlog skips its last block", "miss", "cursor")
def _() -> AbstractContextManager[object]:
    read_some = BacklogReader.read_some

    def short(self: Any, at: BlockRef, blocks: int = 1) -> bool:
        return read_some(self, BlockRef(at.height - 1, at.hash), blocks)

    return patch.object(BacklogReader, "read_some", short)


@mutant("newcomer not watched before the next start", "miss", "state", "cursor")
def _() -> AbstractContextManager[object]:
    refresh = WatchList.refresh

    def once(self: Any) -> bool:
        return self.generation == -1 and refresh(self)

    return patch.object(WatchList, "refresh", once)


@mutant("coins of a newcomer forgotten", "miss", "cursor")
def _() -> AbstractContextManager[object]:
    return patch.object(_Reader, "_with_coins", lambda self, trigger, coins: trigger)


@mutant("reorg during a registration not noticed", "miss", "cursor")
def _() -> AbstractContextManager[object]:
    return patch.object(ChainFollower, "shares_up_to", lambda self, block: block.height)


@mutant("gap limit not moved", "miss", "cursor")
def _() -> AbstractContextManager[object]:
    return patch.object(Finder, "_extensions", lambda *args: [])


@mutant("plan written though its vault was removed", "died")
def _() -> AbstractContextManager[object]:
    return patch.object(watches, "are_there", lambda triggers: True)


# Alerts and deliveries


@mutant("delivery marked done before it is sent", "loss")
def _() -> AbstractContextManager[object]:
    def hasty(self: Any) -> bool:
        batches = self._take(1, 0)
        for batch in batches:
            self._record_all([(batch, None)])
            with suppress(ChannelError):
                self._carry_out(self._message(batch))
        return bool(batches)

    return patch.object(ChannelWorker, "deliver_one", hasty)


@mutant("lease never lapses", "loss")
def _() -> AbstractContextManager[object]:
    return patch.object(outbox, "lapse", lambda now, *, all_leases=False: 0)


@mutant("acknowledgement closes nothing", "duplicate")
def _() -> AbstractContextManager[object]:
    return patch.object(stand_down, "close_deliveries", nothing)


@mutant("news of an alert not told", "loss")
def _() -> AbstractContextManager[object]:
    order_delivery = outbox.order_delivery

    def only_first(alert_id: str, channel: str, *more: Any) -> None:
        if (alert_id, channel) not in outbox.ordered():
            order_delivery(alert_id, channel, *more)

    return patch.object(outbox, "order_delivery", only_first)


@mutant("alert told once and never repeated", "loss")
def _() -> AbstractContextManager[object]:
    return patch.object(outbox, "next_due", nothing)


@mutant("repeat after doubt not marked", "duplicate")
def _() -> AbstractContextManager[object]:
    claim_some = outbox.claim_some
    return patch.object(
        outbox, "claim_some", lambda *of, **how: [replace(one, may_repeat=False) for one in claim_some(*of, **how)]
    )


@mutant("commit does not wait for the disk", "loss", "false", "duplicate", "miss", "state")
def _() -> AbstractContextManager[object]:
    transaction = Database.transaction

    def hurried(self: Any, *, durable: bool = True) -> Any:
        return transaction(self, durable=False)

    return patch.object(Database, "transaction", hurried)


@mutant("second change of a sighting takes the key of the first", "journal")
def _() -> AbstractContextManager[object]:
    of_sighting = "bwm.plan.of_sighting"
    from bwm.event import fact_key
    from bwm.plan import of_sighting as original

    def forgetful(sighting: Any, network: str, at: int) -> Any:
        event = original(sighting, network, at)
        return replace(event, key=fact_key(event.vault, event.guardian, event.trigger_key, event.txid, event.kind))

    return patch(of_sighting, forgetful)


# Guardians


@mutant("unlock counts at first sight", "guardian", "false")
def _() -> AbstractContextManager[object]:
    return patch.object(state._Rule, "is_final", lambda self, signal: not signal.vanished)


@mutant("lock forgotten when its transaction vanishes", "guardian")
def _() -> AbstractContextManager[object]:
    return patch.object(Signal, "gone", lambda self: replace(self, height=None, vanished=True, counted=False))


@mutant("signals stay where a reorg found them", "guardian", "false")
def _() -> AbstractContextManager[object]:
    return patch.object(Signal, "in_mempool", lambda self: self)


@mutant("decisions are written after the events", "decision")
def _() -> AbstractContextManager[object]:
    put = decisions.put

    def late(wanted: Any, seqs: Any, *of: Any) -> Any:
        return put(wanted, {} if len(seqs) % 7 == 3 else seqs, *of)  # the daemon died in between

    return patch.object(decisions, "put", late)


@mutant("a rewind is not judged", "decision")
def _() -> AbstractContextManager[object]:
    judged = Writer._judged

    def careless(self: Any, changes: Changes) -> Changes:
        return changes if any(event.kind == "trigger.reorged" for event in changes.events) else judged(self, changes)

    return patch.object(Writer, "_judged", careless)


@mutant("check-ins are timed by the machine's clock alone", "false act")
def _() -> AbstractContextManager[object]:
    return patch.object(check_in, "believed", lambda now, chain_time: now)
