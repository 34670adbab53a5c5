"""Signs of life to an outside service, which raises the alarm when they stop: the one alarm that outlives this machine.

A sign says "I can see", not "I run": it is sent only while triggers cannot pass unseen and somebody could be told.
"""

import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import structlog

from bwm.errors import BwmError
from bwm.secret import Secret

log = structlog.get_logger()

_LIMIT_S = 10.0


class HeartbeatFailed(BwmError):
    """The service did not take the sign. Its address is not repeated: it is a secret."""


class Heartbeat(threading.Thread):
    """Sends a sign every so many seconds, unless there is a reason not to."""

    def __init__(
        self,
        url: Secret,
        every_s: int,
        can_see: Callable[[], bool],
        on_trouble: Callable[[str | None], None],
    ) -> None:
        """``on_trouble`` hears what is wrong with the service, and None when it takes signs again."""
        super().__init__(name="heartbeat", daemon=True)
        self.failure: BaseException | None = None
        self._url = url
        self._every_s = every_s
        self._can_see = can_see
        self._on_trouble = on_trouble
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End after the sign in hand."""
        self._stopping.set()

    def run(self) -> None:
        """Send until stopped."""
        try:
            wait_s = 1
            while not self._stopping.wait(wait_s):
                wait_s = self._every_s if self._can_see() else 1
                if wait_s > 1:
                    self._beat()
        except BaseException as error:
            self.failure = error
            log.exception("loop.died", loop=self.name)

    def _beat(self) -> None:
        try:
            send_sign(self._url.reveal())
        except HeartbeatFailed as error:
            self._on_trouble(str(error))
        else:
            self._on_trouble(None)


def send_sign(url: str) -> None:
    """Ask for the URL once. Raises HeartbeatFailed unless the answer is one of success."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_LIMIT_S)
        try:
            connection.request("POST", path, b"")
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise HeartbeatFailed(f"it cannot be reached ({type(error).__name__})") from None
    if status >= 300:
        raise HeartbeatFailed(f"it answered with HTTP {status}")
