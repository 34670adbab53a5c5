"""What is to be told from memory while the database cannot be written."""

import threading

from bwm.channels.channel import Message
from bwm.severity import Severity

MOST = 1000


class Unwritten:
    """Messages, the gravest first. When there are too many, the least grave that came last is dropped."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._messages: list[Message] = []
        self._lock = threading.Lock()  # added to from any thread

    def add(self, message: Message) -> None:
        """Keep it, as far as there is room for what is as grave."""
        with self._lock:
            self._messages.append(message)
            if len(self._messages) > self._most:
                least = min(_rank(each) for each in self._messages)
                last = max(n for n, each in enumerate(self._messages) if _rank(each) == least)
                del self._messages[last]

    def next(self) -> Message | None:
        """The gravest, and of those the one that waits longest; None when nothing waits."""
        with self._lock:
            return max(self._messages, key=_rank, default=None)

    def put_last(self, message: Message) -> None:
        """It could not be told: the others that are as grave come first."""
        with self._lock:
            if message in self._messages:
                self._messages.remove(message)
                self._messages.append(message)

    def remove(self, message: Message) -> None:
        """It was told."""
        with self._lock:
            if message in self._messages:
                self._messages.remove(message)


def _rank(message: Message) -> int:
    return Severity(message.severity).rank
