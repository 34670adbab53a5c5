"""What is watched, known by heart: a theft is told also while the server that keeps the database is away."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from bwm.chain.network import Network
from bwm.chain.tx import Tx, parse_tx
from bwm.clock import Clock
from bwm.db import cursor, guardians, watches
from bwm.errors import Damaged
from bwm.node.bitcoind import Bitcoind
from bwm.node.frames import FeedMessage, MempoolAdded, RawTx
from bwm.plan import AlertChange, Facts, VaultFacts, plan_mempool
from bwm.plan_guardian import GuardianFacts
from bwm.watch.scan import Found, keys_of, scan_all
from bwm.watch.watch import Watch, WatchIndex

MOST = 50_000
"""Watched keys; each takes some 600 bytes."""


class ByHeart:
    """The watches and their owners as the database last had them. Of more than ``most`` keys it knows none."""

    def __init__(
        self,
        node: Bitcoind,
        network: Network,
        clock: Clock,
        shout: Callable[[Sequence[AlertChange]], None],
        most: int = MOST,
    ) -> None:
        self._node = node
        self._network = network
        self._clock = clock
        self._shout = shout
        self._most = most
        self._watches: dict[bytes, list[Watch]] = {}
        self._vaults: dict[str, VaultFacts] = {}
        self._guardians: tuple[GuardianFacts, ...] = ()
        self._tip_height = 0
        self._is_too_much = False

    def forget(self) -> None:
        """Something was removed: all is to be learned again."""
        self._watches.clear()
        self._vaults.clear()
        self._is_too_much = False

    def load(self, after_trigger: int) -> None:
        """Learn the triggers with a higher id, and how the owners of all are now."""
        if self._is_too_much:
            return
        new = watches.of_triggers_after(after_trigger, self._most + 1)
        changed = {watch.trigger.vault for watch in new if watch.trigger.vault} or set(self._vaults)
        self._vaults |= watches.vault_facts(changed)
        self._guardians = tuple(guardians.all_facts(self._clock.now()))
        self._tip_height = at.height if (at := cursor.at()) else 0
        self.learn(new)

    def learn(self, watches: Iterable[Watch]) -> None:
        """Know these too."""
        for watch in watches:
            known = self._watches.setdefault(watch.key, [])
            if all(other.trigger.id != watch.trigger.id for other in known):
                known.append(watch)
        if len(self._watches) > self._most:
            self.forget()
            self._is_too_much = True

    def hear(self, messages: Sequence[FeedMessage]) -> None:
        """Tell what the feed showed and the node has in its mempool, as if nothing were known of it. Raises NodeError.

        What was told before the database went away may be told once more; and what is told here, when it is back.
        """
        shown = _parsed(message.raw for message in messages if isinstance(message, RawTx))
        named = {message.txid for message in messages if isinstance(message, MempoolAdded)}
        suspects = [tx.txid for tx, _ in self._found(shown)]
        named -= {tx.txid for tx in shown}
        if not suspects and not named:
            return
        found = self._found(_parsed(self._node.raw_transactions([*suspects, *named]).values()))
        facts = Facts(self._network.name, self._vaults, guardians=self._guardians, tip_height=self._tip_height)
        changes = plan_mempool(found, facts, self._clock.now())
        self.learn(changes.watches)
        self._shout(changes.alerts)

    def _found(self, txs: Sequence[Tx]) -> Found:
        """Those that touch what is known, or a coin that another of them made, with their matches."""
        keys = dict.fromkeys(key for tx in txs for key in keys_of(tx))
        index = WatchIndex(watch for key in keys for watch in self._watches.get(key, ()))
        return [(tx, matches) for tx, matches in scan_all(txs, index) if matches]


def _parsed(raws: Iterable[bytes]) -> list[Tx]:
    """Those that are transactions: the feed has no authentication."""
    txs = []
    for raw in raws:
        with suppress(Damaged):
            txs.append(parse_tx(raw))
    return txs
