"""Messages of the feed on their way to the loop. Whatever the feed does, it holds no more than it may."""

import threading
from collections import deque

from bwm.node.frames import Connected, Disconnected, FeedMessage, Gap, RawTx

_MESSAGES, _BYTES = 50_000, 64_000_000


class FeedQueue:
    """Any thread may put; one takes. What is beyond the limit is dropped, and a gap is said in its place: the look
    at the node that a gap calls for finds what it would have shown."""

    def __init__(self) -> None:
        self._messages: deque[FeedMessage] = deque()
        self._bytes = 0
        self._gap: Gap | None = None
        self._changed = threading.Condition()

    def put(self, message: FeedMessage) -> None:
        """Take a message in, or note that it was too much."""
        size = len(message.raw) if isinstance(message, RawTx) else 0
        with self._changed:
            is_full = len(self._messages) >= _MESSAGES or self._bytes + size > _BYTES
            if is_full and not isinstance(message, Connected | Disconnected):
                self._gap = Gap("overflow")
            else:
                self._messages.append(message)
                self._bytes += size
            self._changed.notify()

    def take(self, timeout_s: float = 0.0) -> list[FeedMessage]:
        """All that is there, oldest first; when there is nothing, waits so long for it."""
        with self._changed:
            if not self._messages and not self._gap and timeout_s > 0:
                self._changed.wait(timeout_s)
            messages = list(self._messages)
            if self._gap:
                messages.append(self._gap)
            self._messages.clear()
            self._bytes, self._gap = 0, None
        return messages
