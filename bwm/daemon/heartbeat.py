"""Signs of life to an outside service, which raises the alarm when they stop: the one alarm that outlives this machine.

A sign says "I can see", not "I run": it is sent only while triggers cannot pass unseen and somebody could be told.
"""

from collections.abc import Callable

from bwm.channels.sending.post import status_of_post
from bwm.daemon.loop import Loop
from bwm.errors import BwmError, ChannelError
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
    try:
        status = status_of_post(url, b"", {}, _LIMIT_S)
    except ChannelError as error:
        raise HeartbeatFailed(f"it cannot be reached ({error})") from None
    if status >= 300:
        raise HeartbeatFailed(f"it answered with HTTP {status}")
