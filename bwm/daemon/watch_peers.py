"""A second source: other nodes, asked whether they have the same chain. A node that is cut off cannot say so itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from bwm.daemon.loop import Loop
from bwm.errors import NodeError
from bwm.node.bitcoind import Bitcoind

log = structlog.get_logger()

OTHER_CHAIN, BEHIND, SILENT = "peers", "behind", "silent"
"""The conditions (``bwm.health``) of a peer whose chain is another one, that has not all of ours, that says nothing."""

_EVERY_S = 30.0
_FORGOTTEN_AFTER = 120  # looks in vain, an hour: what a peer said before is no news any more
_TOLERANCE = 2  # blocks: one more or less is the ordinary delay of the network


class PeerWatch(Loop):
    """Compares tips now and then."""

    def __init__(
        self, node: Bitcoind, peers: Mapping[str, Bitcoind], on_trouble: Callable[[str, str | None], None]
    ) -> None:
        """``on_trouble`` hears of each peer's conditions with how the chains differ, and with None when they do not."""
        super().__init__("peers")
        self._node = node
        self._peers = peers
        self._on_trouble = on_trouble
        self._silent: dict[str, int] = {}  # looks in vain

    def _work(self) -> None:
        self._take_turns(self._compare_all, _EVERY_S)

    def _compare_all(self) -> None:
        for name, peer in self._peers.items():
            self._compare(name, peer)

    def _compare(self, name: str, peer: Bitcoind) -> None:
        try:
            peer.tip()
        except NodeError as error:
            self._note_silence(name, error)
            return
        self._silent.pop(name, None)
        self._on_trouble(f"{SILENT}/{name}", None)
        try:
            found = difference(self._node, peer)
        except NodeError:  # ours, of which others speak, or it fell silent just now
            return
        for condition in (OTHER_CHAIN, BEHIND):
            self._on_trouble(f"{condition}/{name}", found.words if found and found.condition == condition else None)

    def _note_silence(self, name: str, error: NodeError) -> None:
        """Who does not answer does not disagree either: what he said last must not hold everything for ever."""
        looks = self._silent[name] = self._silent.get(name, 0) + 1
        if looks == 1:
            log.warning("peer.silent", peer=name, error=str(error))
        self._on_trouble(f"{SILENT}/{name}", str(error))
        if looks >= _FORGOTTEN_AFTER:
            for condition in (OTHER_CHAIN, BEHIND):
                self._on_trouble(f"{condition}/{name}", None)


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two chains, as a condition and in words."""

    condition: str
    words: str


def difference(ours: Bitcoind, theirs: Bitcoind) -> Difference | None:
    """How two chains differ by more than the network's delay; None when they do not. Raises NodeError.

    Who only lacks the latest blocks of ours, for he still fetches them or is stuck, does not contradict them: of two
    valid chains nodes take the longer one, so nothing that he could know would make ours another.
    """
    our_tip, their_tip = ours.tip(), theirs.tip()
    heights = f"ours is at block {our_tip.height}, theirs at {their_tip.height}"
    if our_tip.height - their_tip.height >= _TOLERANCE and ours.block_hash(their_tip.height) == their_tip.hash:
        return Difference(BEHIND, heights)
    if abs(our_tip.height - their_tip.height) >= _TOLERANCE:
        return Difference(OTHER_CHAIN, heights)
    shared = max(0, min(our_tip.height, their_tip.height) - _TOLERANCE + 1)
    if ours.block_hash(shared) != theirs.block_hash(shared):
        return Difference(OTHER_CHAIN, f"they have different blocks at height {shared}")
    return None
