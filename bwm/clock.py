"""The clock that everything else is handed, so that no pure function ever reads the time."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Tests and simulations hand in one that they move themselves."""

    def now(self) -> int:
        """Unix time in whole seconds, UTC, as the machine's wall clock has it."""

    def monotonic(self) -> float:
        """Seconds from an unknown start; never goes back. For intervals and time limits."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return int(time.time())

    def monotonic(self) -> float:
        return time.monotonic()


def rfc3339(at: int) -> str:
    """Unix seconds as people and programs read them: ``2026-11-21T08:00:00Z`` (RFC 3339, UTC)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_rfc3339(text: str) -> int:
    """Unix seconds of an RFC 3339 time or an ISO date; without a zone it is taken as UTC.

    Raises ValueError for anything else.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
