"""How the latest attempt on each channel ended. What is still to be delivered does not say it: an answer ends that."""

from bwm.db import settings

_FAILING = "failing/"


def note(channel: str, failure: str | None) -> None:
    """An attempt succeeded (None), or failed. Call inside the transaction that records it."""
    words = failure or ""
    if (settings.read(f"{_FAILING}{channel}") or "") != words:
        settings.write(f"{_FAILING}{channel}", words)


def is_failing(channel: str) -> bool:
    """Whether the channel's latest attempt failed."""
    return bool(settings.read(f"{_FAILING}{channel}"))
