"""A campaign that is asked to end early: the worlds in hand are played to their end, and no more are begun."""

import os
import signal
from multiprocessing import parent_process
from multiprocessing.sharedctypes import RawValue
from threading import Thread
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Ctrl-C or SIGTERM, as the campaign and the processes that work for it see it.

    They only ask: raised inside a world they would be taken for a fault there.
    """

    def __init__(self) -> None:
        self._signal = RawValue("i", 0)  # without a lock, which a signal could find held by whom it interrupts

    def __bool__(self) -> bool:
        """Whether no more worlds are to be begun."""
        return self._signal.value != 0

    @property
    def exit_code(self) -> int:
        """What a shell makes of the signal: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self._signal.value

    def listen(self) -> None:
        """In the campaign's own process."""
        for number in _SIGNALS:
            signal.signal(number, self._ask)

    def listen_as_worker(self) -> None:
        """In a process that works for it: a terminal and ``timeout`` signal all of them, and the campaign decides."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Thread(target=_end_with_the_campaign, daemon=True).start()

    def _ask(self, number: int, _: FrameType | None) -> None:
        self._signal.value = number


def _end_with_the_campaign() -> None:
    """Who was killed cannot send its workers home."""
    if campaign := parent_process():
        campaign.join()
    os._exit(1)
