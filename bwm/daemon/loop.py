"""What each thread of the daemon is: it works until it is told to end, can be woken, and never dies unnoticed."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Loop(threading.Thread, ABC):
    """A thread that takes turns. ``wake`` and ``stop`` may be called from any other."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.failure: BaseException | None = None
        self._bell = threading.Event()
        self._stopping = threading.Event()

    def wake(self) -> None:
        """Something may be due."""
        self._bell.set()

    def stop(self) -> None:
        """End after the step in hand."""
        self._stopping.set()
        self._bell.set()

    def run(self) -> None:
        """Work until stopped. What ends it otherwise is kept in ``failure``: a dead loop ends the daemon."""
        try:
            self._work()
        except BaseException as error:  # whatever it is, nobody else is left to say it
            self.failure = error
            log.exception("loop.died", loop=self.name)

    @abstractmethod
    def _work(self) -> None:
        """Everything that it does from its start to its end, which comes soon after ``_goes_on`` turns False."""

    @property
    def _goes_on(self) -> bool:
        return not self._stopping.is_set()

    def _rest(self, seconds: float | None = None) -> None:
        """Until woken or stopped, and at most so long."""
        self._bell.wait(seconds)
        self._bell.clear()

    def _take_turns(self, turn: Callable[[], object], rest_s: Callable[[], float] | float) -> None:
        """Turn after turn until stopped, with a rest (seconds) after each that found nothing to do."""
        while self._goes_on:
            if not turn():
                self._rest(rest_s() if callable(rest_s) else rest_s)
