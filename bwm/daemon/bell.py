"""The bell for a node that publishes no blocks: ask it to say when a new one comes."""

from collections.abc import Callable

from bwm.daemon.loop import Loop
from bwm.errors import NodeError
from bwm.node.bitcoind import Bitcoind
from bwm.node.frames import BlockBell, FeedMessage

_WAIT_S = 30.0
_ASK_AGAIN_S = 1.0


class BlockWaiter(Loop):
    """Rings for each new tip. What the node's troubles are, the one who asks it for blocks will notice."""

    def __init__(self, node: Bitcoind, ring: Callable[[FeedMessage], None]) -> None:
        super().__init__("block waiter")
        self._node = node
        self._ring = ring

    def _work(self) -> None:
        tip = ""
        while self._goes_on:
            tip = self._ring_after(tip)

    def _ring_after(self, tip: str) -> str:
        try:
            now = self._node.wait_for_new_block(_WAIT_S, tip).hash if tip else self._node.tip().hash
        except NodeError:
            self._rest(_ASK_AGAIN_S)
            return tip
        if now != tip:
            self._ring(BlockBell(now))
        return now
