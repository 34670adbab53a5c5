"""Signs of life to an outside service, which raises the alarm when they stop: the one alarm that outlives this machine.

A sign says "I can see", not "I run": it is sent only while triggers cannot pass unseen and somebody could be told.
"""

from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from bwm.daemon.loop import Loop
from bwm.errors import BwmError
from bwm.secret import Secret

_LIMIT_S = 10.0


class HeartbeatFailed(BwmError):
    """The service did not take the sign. Its address is not repeated: it is a secret."""


class Heartbeat(Loop):
    """Sends a sign every so many seconds, unless there is a reason not to."""

    def __init__(
        self,
        url: Secret,
        every_s: int,
        can_see: Callable[[], bool],
        on_trouble: Callable[[str | None], None],
    ) -> None:
        """``on_trouble`` hears what is wrong with the service, and None when it takes signs again."""
        super().__init__("heartbeat")
        self._url = url
        self._every_s = every_s
        self._can_see = can_see
        self._on_trouble = on_trouble

    def _work(self) -> None:
        self._rest(1)
        while self._goes_on:
            can_see = self._can_see()
            if can_see:
                self._beat()
            self._rest(self._every_s if can_see else 1)

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
