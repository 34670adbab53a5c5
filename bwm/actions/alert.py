"""alert: tell one channel how one alert stands. What the outbox orders, a channel carries out."""

from dataclasses import dataclass
from typing import Protocol

from bwm.channels.channel import Channel, Message
from bwm.event import Event, alert_id
from bwm.wording import tell

NAME = "alert"


@dataclass(frozen=True, slots=True)
class Story:
    """An alert: the gravest of its events, the latest, and when the first came."""

    alert_id: str
    severity: str
    about: Event
    latest: Event
    opened_at: int  # unix seconds
    answer_code: str | None = None  # acknowledges it as this message tells it


class Attempt(Protocol):
    """Which try of the delivery this is."""

    @property
    def attempt(self) -> int:
        """From 1."""

    @property
    def told_revision(self) -> int | None:
        """Which state of the alert the channel was told before; None when it knows nothing of it."""

    @property
    def revision(self) -> int:
        """Which state of the alert this attempt tells."""

    @property
    def may_repeat(self) -> bool:
        """Whether an earlier try may have got through."""


def message(story: Story, attempt: Attempt, redact: tuple[str, ...], now: int) -> Message:
    """What the channel is given to say."""
    text = tell(story.about, story.latest, story.opened_at, story.alert_id, redact)
    return Message(
        alert_id=story.alert_id,
        attempt=attempt.attempt,
        severity=story.severity,
        kind=story.latest.kind,
        vault=None if "vault" in redact else story.latest.vault,
        guardian=story.latest.guardian,
        txid=None if "txid" in redact else story.latest.txid,
        event=story.latest.seq,
        title=text.title,
        body=text.body,
        update=attempt.told_revision is not None and attempt.told_revision < attempt.revision,
        may_repeat=attempt.may_repeat,
        at=now,
        answer_code=story.answer_code,
        is_drill=story.about.detail.get("drill") is not None,
    )


def bare_message(alert_id: str, severity: str, attempt: Attempt, now: int) -> Message:
    """That there is an alert, and no more: something about it cannot be read."""
    return Message(
        alert_id=alert_id,
        attempt=attempt.attempt,
        severity=severity,
        kind="alert.unreadable",
        vault=None,
        guardian=None,
        txid=None,
        event=None,
        title="There is an alert that bwm cannot put into words",
        body=f"A fault in bwm or in its database kept it from reading alert {alert_id}. Look at once: bwm events, "
        f"bwm status. To stop the repeats: bwm ack {alert_id}",
        update=False,
        may_repeat=attempt.may_repeat,
        at=now,
    )


@dataclass(frozen=True, slots=True)
class _FirstAttempt:
    attempt: int = 1
    revision: int = 0
    told_revision: int | None = None
    may_repeat: bool = False


def unwritten_message(event: Event, severity: str, redact: tuple[str, ...], now: int) -> Message:
    """The same for an event that could not be written down yet. Its id is that of its alert to be."""
    return message(Story(alert_id(event.key), severity, event, event, now), _FirstAttempt(), redact, now)


def carry_out(channel: Channel, message: Message) -> None:
    """Deliver. Raises what the channel raises."""
    channel.deliver(message)
