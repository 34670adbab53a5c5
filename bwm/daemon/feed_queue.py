"""Messages of the feed on their way to the loop. Whatever the feed does, it holds no more than it may."""

import threading
from collections import deque
from collections.abc import Callable

from bwm.node.frames import Connected, Disconnected, FeedMessage, Gap, RawTx

_MESSAGES, _BYTES = 50_000, 64_000_000
_MANY = 1_000  # messages that may wait together until somebody looks


class FeedQueue:
    """Any thread may put; one takes. What is beyond the limit is dropped, and a gap is said in its place: the look
    at the node that a gap calls for finds what it would have shown.

    What is not urgent wakes nobody: it is taken with what comes next, or when the wait is over. To wake for each of
    ten transactions a second would be most of the work that they make.
    """

    def __init__(self, is_urgent: Callable[[FeedMessage], bool] = lambda message: True) -> None:
        """``is_urgent`` is asked by whoever puts, in his thread."""
        self._messages: deque[FeedMessage] = deque()
        self._bytes = 0
        self._gap: Gap | None = None
        self._is_urgent = is_urgent
        self._wakes = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def put(self, message: FeedMessage) -> None:
        """Take a message in, or note that it was too much."""
        size = len(message.raw) if isinstance(message, RawTx) else 0
        is_urgent = self._is_urgent(message)
        with self._lock:
            is_full = len(self._messages) >= _MESSAGES or self._bytes + size > _BYTES
            if is_full and not isinstance(message, Connected | Disconnected):
                self._gap = Gap("overflow")
            else:
                self._messages.append(message)
                self._bytes += size
            if is_urgent or len(self._messages) >= _MANY:
                self._wakes = True
                self._changed.notify()

    def take(self, timeout_s: float = 0.0) -> list[FeedMessage]:
        """All that is there, oldest first; when nothing of it is urgent, waits so long for what is."""
        with self._changed:
            if not self._wakes and timeout_s > 0:
                self._changed.wait(timeout_s)
            self._wakes = False
            messages = list(self._messages)
            if self._gap:
                messages.append(self._gap)
            self._messages.clear()
            self._bytes, self._gap = 0, None
        return messages
