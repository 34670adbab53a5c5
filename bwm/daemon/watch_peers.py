"""A second source: other nodes, asked whether they have the same chain. A node that is cut off cannot say so itself."""

import threading
from collections.abc import Callable, Mapping

import structlog

from bwm.errors import NodeError
from bwm.node.bitcoind import Bitcoind

log = structlog.get_logger()

_EVERY_S = 30.0
_TOLERANCE = 2  # blocks: one more or less is the ordinary delay of the network


class PeerWatch(threading.Thread):
    """Compares tips now and then."""

    def __init__(
        self, node: Bitcoind, peers: Mapping[str, Bitcoind], on_trouble: Callable[[str, str | None], None]
    ) -> None:
        """``on_trouble`` hears a peer's name with how the chains differ, and with None when they agree."""
        super().__init__(name="peers", daemon=True)
        self.failure: BaseException | None = None
        self._node = node
        self._peers = peers
        self._on_trouble = on_trouble
        self._silent: set[str] = set()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End after the comparison in hand."""
        self._stopping.set()

    def run(self) -> None:
        """Compare until stopped."""
        try:
            while not self._stopping.wait(_EVERY_S):
                for name, peer in self._peers.items():
                    self._compare(name, peer)
        except BaseException as error:
            self.failure = error
            log.exception("loop.died", loop=self.name)

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
