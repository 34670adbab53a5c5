"""A second source: other nodes, asked whether they have the same chain. A node that is cut off cannot say so itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from bwm.daemon.loop import Loop
from bwm.errors import NodeError
from bwm.node.bitcoind import Bitcoind

log = structlog.get_logger()

OTHER_CHAIN, BEHIND = "peers", "behind"
"""The conditions (``bwm.health``) of a peer whose chain is another one, and of one that has not all of ours."""

_EVERY_S = 30.0
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
        self._silent: set[str] = set()

    def _work(self) -> None:
        self._take_turns(self._compare_all, _EVERY_S)

    def _compare_all(self) -> None:
        for name, peer in self._peers.items():
            self._compare(name, peer)

    def _compare(self, name: str, peer: Bitcoind) -> None:
        try:
            found = difference(self._node, peer)
        except NodeError as error:  # who does not answer does not disagree either
            if name not in self._silent:
                log.warning("peer.silent", peer=name, error=str(error))
            self._silent.add(name)
            return
        self._silent.discard(name)
        for condition in (OTHER_CHAIN, BEHIND):
            self._on_trouble(f"{condition}/{name}", found.words if found and found.condition == condition else None)


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
