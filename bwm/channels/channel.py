"""A way to a person: what it is given, and what it must do with it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bwm.secret import Secret


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert within a digest."""

    alert_id: str
    kind: str  # of its latest event
    event: int  # the seq of its latest event
    severity: str


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt to tell one alert on one channel."""

    alert_id: str
    severity: str
    kind: str  # of the event, e.g. "trigger.seen"
    title: str
    body: str
    at: int  # unix seconds of the event
    attempt: int = 1
    vault: str | None = None
    guardian: str | None = None
    txid: str | None = None  # as people read it
    event: int | None = None  # its seq in the journal; None for what no event stands behind
    update: bool = False  # the alert was told before and has changed
    may_repeat: bool = False  # an earlier attempt was cut off and may have got through
    answer_code: str | None = None  # typed into `bwm ack`, it acknowledges this state of the alert, here only
    is_drill: bool = False  # nothing has happened: it is an exercise
    entries: tuple[Entry, ...] = ()  # of a digest: the alerts that it tells together; else empty

    @property
    def is_repeat(self) -> bool:
        """Whether the reader may have seen this before."""
        return self.attempt > 1 or self.may_repeat


class ChannelSettings(Protocol):
    """What the configuration says about one channel."""

    @property
    def name(self) -> str:
        """The operator's name for it; the only thing about a channel that may be logged."""

    @property
    def kind(self) -> str:
        """Which file of this folder serves it."""

    @property
    def url(self) -> Secret | None:
        """Where to, for the kinds that have a URL."""

    @property
    def path(self) -> Path | None:
        """Where to, for the kinds that write a file."""

    @property
    def secret(self) -> Secret | None:
        """What the kinds that sign sign with."""

    @property
    def proxy(self) -> tuple[str, int] | None:
        """Host and port of the SOCKS5 proxy that it must go through; None: straight."""

    @property
    def people(self) -> Collection[str]:
        """Whom it reaches, by the names that policies use."""

    @property
    def min_severity(self) -> str:
        """What is less than this is not sent here."""

    @property
    def locale(self) -> str:
        """The language of its readers, one of ``bwm.language.names()``."""

    @property
    def timezone(self) -> str:
        """The time zone of its readers, by its name in the IANA database."""

    @property
    def redact(self) -> Collection[str]:
        """What must not be told here: any of sats, vault, txid, address."""


class Channel(Protocol):
    """A way to a person, ready to use. Any thread may call it, and several at once."""

    @property
    def name(self) -> str:
        """The operator's name for it."""

    def warm_up(self) -> None:
        """Get ready, so that the first message leaves at once. Raises ChannelError."""

    def deliver(self, message: Message) -> None:
        """Bring one message there; to return is to say that the receiver took it.

        Raises DeliverLater, DeliveryUncertain or DeliveryRefused.
        """

    def close(self) -> None:
        """Let go of everything; a delivery under way may be cut off."""
