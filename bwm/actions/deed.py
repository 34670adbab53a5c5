"""What an action is handed: the event, and what its policy says besides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bwm.event import Event


@dataclass(frozen=True, slots=True)
class Deed:
    """One attempt at one order."""

    order_id: int  # the same at each attempt
    attempt: int  # from 1
    target: str
    arguments: Mapping[str, Any]
    event: Event  # that called for it
    raw: bytes | None = None  # the bytes of the event's transaction, where they are known
    at: int = 0  # unix seconds
