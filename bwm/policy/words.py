"""Amounts, times and lists as a sentence has them."""

from collections.abc import Sequence

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def sats_words(sats: int) -> str:
    """``1,000,000 sat``."""
    return f"{sats:,} sat"


def duration(seconds: int) -> str:
    """``1 hour 30 minutes``; ``0 seconds``."""
    parts = []
    for length, name in _UNITS:
        number, seconds = divmod(seconds, length)
        if number:
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def listed(words: Sequence[str], last: str = "and") -> str:
    """``one, two and three``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
