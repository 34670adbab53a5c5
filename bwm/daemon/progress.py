"""How long work gets on: in the log now and then, and in the database for who asks for the status."""

import json

import structlog

from bwm.db import settings

log = structlog.get_logger()

_TELL_EVERY_S = 5
_STALE_S = 60


class Progress:
    """Of one reading of blocks, from ``first`` to ``last``. Work that is done soon is never told of."""

    def __init__(self, name: str, first: int, last: int, now: int) -> None:
        self._name = name
        self._last = last
        self._told = first - 1, now

    def reached(self, height: int, now: int) -> None:
        """The block at this height was read."""
        told_height, told_at = self._told
        if now - told_at < _TELL_EVERY_S:
            return
        self._told = height, now
        rate = max(0.1, (height - told_height) / (now - told_at))
        facts = {"height": height, "of": self._last, "a_second": round(rate, 1)}
        facts["left_s"] = round((self._last - height) / rate)
        settings.write(_setting(self._name), json.dumps({"at": now, **facts}))
        log.info(f"{self._name}.progress", **facts)


def told(name: str, now: int) -> str:
    """What was told last, in words that follow a sentence; empty when nothing of that sort is going on."""
    facts = json.loads(settings.read(_setting(name)) or "{}")
    if not facts or now - facts["at"] > _STALE_S:
        return ""
    left = f"{facts['left_s']} s" if facts["left_s"] < 120 else f"{facts['left_s'] // 60} min"
    return f": block {facts['height']} of {facts['of']}, {facts['a_second']} a second, about {left} left"


def _setting(name: str) -> str:
    return f"progress/{name}"
