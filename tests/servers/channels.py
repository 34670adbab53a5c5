"""Settings and messages for tests of channels."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bwm.channels.channel import Message
from bwm.secret import Secret

MESSAGE = Message(
    alert_id="alert-5f3a",
    attempt=1,
    severity="emergency",
    kind="trigger.seen",
    vault="cold-1",
    guardian=None,
    txid="ab" * 32,
    event=42,
    title="A watched coin is being spent",
    body="5000000 sat leave the vault.",
    update=False,
    may_repeat=False,
    at=1795248000,
)


def message(**changes: Any) -> Message:
    """MESSAGE with changes."""
    return replace(MESSAGE, **changes)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration would say about a channel."""

    name: str = "phone"
    kind: str = "apprise"
    url: Secret | None = None
    path: Path | None = None
    secret: Secret | None = None
    proxy: tuple[str, int] | None = None
    people: Collection[str] = ("owner",)
    min_severity: str = "info"
    locale: str = "en"
    timezone: str = "UTC"
    redact: Collection[str] = ()


def apprise(url: str, **changes: Any) -> Settings:
    """An Apprise channel with this URL."""
    return Settings(url=Secret(url), **changes)
