"""A second source: other nodes, asked whether they have the same chain. A node that is cut off cannot say so itself."""

from collections.abc import Callable, Mapping

import structlog

from bwm.daemon.loop import Loop
from bwm.errors import NodeError
from bwm.node.bitcoind import Bitcoind

log = structlog.get_logger()

_EVERY_S = 30.0
_TOLERANCE = 2  # blocks: one more or less is the ordinary delay of the network


class PeerWatch(Loop):
    """Compares tips now and then."""

    def __init__(
        self, node: Bitcoind, peers: Mapping[str, Bitcoind], on_trouble: Callable[[str, str | None], None]
    ) -> None:
        """``on_trouble`` hears a peer's name with how the chains differ, and with None when they agree."""
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
            words = disagreement(self._node, peer)
        except NodeError as error:  # who does not answer does not disagree either
            if name not in self._silent:
                log.warning("peer.silent", peer=name, error=str(error))
            self._silent.add(name)
            return
        self._silent.discard(name)
        self._on_trouble(name, words)


def disagreement(ours: Bitcoind, theirs: Bitcoind) -> str | None:
    """How two chains differ by more than the network's delay; None when they do not. Raises NodeError."""
    our_tip, their_tip = ours.tip(), theirs.tip()
    if abs(our_tip.height - their_tip.height) >= _TOLERANCE:
        return f"ours is at block {our_tip.height}, theirs at {their_tip.height}"
    shared = max(0, min(our_tip.height, their_tip.height) - _TOLERANCE + 1)
    if ours.block_hash(shared) != theirs.block_hash(shared):
        return f"they have different blocks at height {shared}"
    return None
