"""Notices when policies, or the programs that they run, are others than before: by their owner, one hopes."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from bwm.clock import Clock
from bwm.db import settings
from bwm.plan import AlertChange, Changes, case_of
from bwm.policy.fingerprint import change, fingerprint, programs_of
from bwm.policy.rule import Policy
from bwm.severity import Severity

_ACTS_BY = "acts_by"
_LOOK_EVERY_S = 60.0
_MOST_BYTES = 64 << 20  # of a program: more is not read


class PolicyWatch:
    """Compares with what the database remembers; the first look of all remembers only."""

    def __init__(self, policies: Sequence[Policy], network: str, clock: Clock) -> None:
        self._policies = policies
        self._network = network
        self._clock = clock
        self._due = 0.0

    def look(self) -> Changes | None:
        """What is to be told, to be written together with ``remember``; None: all is as before, or not due yet."""
        if self._clock.monotonic() < self._due:
            return None
        self._due = self._clock.monotonic() + _LOOK_EVERY_S
        self._now = fingerprint(self._policies, {path: _digest(path) for path in programs_of(self._policies)})
        kept = settings.read(_ACTS_BY)
        if kept is None:
            return Changes()
        event = change(json.loads(kept), self._now, self._network, self._clock.now())
        if event is None:
            return None
        return Changes((event,), alerts=(AlertChange(case_of(event), event, Severity.WARNING, Severity.WARNING),))

    def remember(self) -> None:
        """Keep what the last look saw. Call inside a transaction."""
        settings.write(_ACTS_BY, json.dumps(self._now))


def _digest(path: str) -> str:
    """Of a program's bytes; a word where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.sha256(file.read(_MOST_BYTES)).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
