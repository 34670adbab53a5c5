"""The bell for a node that publishes no blocks: ask it to say when a new one comes."""

import threading
from collections.abc import Callable

import structlog

from bwm.errors import NodeError
from bwm.node.bitcoind import Bitcoind
from bwm.node.frames import BlockBell, FeedMessage

log = structlog.get_logger()

_WAIT_S = 30.0
_ASK_AGAIN_S = 1.0


class BlockWaiter(threading.Thread):
    """Rings for each new tip. What the node's troubles are, the one who asks it for blocks will notice."""

    def __init__(self, node: Bitcoind, ring: Callable[[FeedMessage], None]) -> None:
        super().__init__(name="block waiter", daemon=True)
        self.failure: BaseException | None = None
        self._node = node
        self._ring = ring
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End when the node answers next."""
        self._stopping.set()

    def run(self) -> None:
        """Wait and ring until stopped."""
        try:
            tip = ""
            while not self._stopping.is_set():
                tip = self._ring_after(tip)
        except BaseException as error:
            self.failure = error
            log.exception("loop.died", loop=self.name)

    def _ring_after(self, tip: str) -> str:
        try:
            now = self._node.wait_for_new_block(_WAIT_S, tip).hash if tip else self._node.tip().hash
        except NodeError:
            self._stopping.wait(_ASK_AGAIN_S)
            return tip
        if now != tip:
            self._ring(BlockBell(now))
        return now
