"""alert: tell one channel how one alert stands. What the outbox orders, a channel carries out."""

from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from bwm.channels.channel import Channel, ChannelSettings, Message
from bwm.drill import SEEN, as_told
from bwm.event import Event, alert_id
from bwm.language import language
from bwm.wording import Coming, Reader, Telling, tell, tell_unreadable

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
    repeats_at: int | None = None  # unix seconds: when it is told again unless somebody answers
    coming: tuple[Coming, ...] = ()  # responses that wait for their time
    blocks_left: int | None = None  # until whoever moved the coins can take them; None: not known


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


def reader_of(settings: ChannelSettings) -> Reader:
    """Who reads on a channel."""
    return Reader(language(settings.locale), ZoneInfo(settings.timezone), settings.redact)


def message(story: Story, attempt: Attempt, reader: Reader, now: int) -> Message:
    """What the channel is given to say."""
    is_drill = story.about.kind == SEEN
    telling = Telling(
        alert_id=story.alert_id,
        opened_at=story.opened_at,
        repeats_at=story.repeats_at,
        answer_code=story.answer_code,
        is_drill=is_drill,
        coming=story.coming,
        now=now,
        blocks_left=story.blocks_left,
    )
    text = tell(as_told(story.about), as_told(story.latest), telling, reader)
    return Message(
        alert_id=story.alert_id,
        attempt=attempt.attempt,
        severity=story.severity,
        kind=story.latest.kind,
        vault=story.latest.vault if reader.may_know("vault") else None,
        guardian=story.latest.guardian,
        txid=story.latest.txid if reader.may_know("txid") else None,
        event=story.latest.seq,
        title=text.title,
        body=text.body,
        update=attempt.told_revision is not None and attempt.told_revision < attempt.revision,
        may_repeat=attempt.may_repeat,
        at=now,
        answer_code=story.answer_code,
        is_drill=is_drill,
    )


def bare_message(alert_id: str, severity: str, attempt: Attempt, reader: Reader, now: int) -> Message:
    """That there is an alert, and no more: something about it cannot be read."""
    text = tell_unreadable(alert_id, reader)
    return Message(
        alert_id=alert_id,
        attempt=attempt.attempt,
        severity=severity,
        kind="alert.unreadable",
        title=text.title,
        body=text.body,
        may_repeat=attempt.may_repeat,
        at=now,
    )


@dataclass(frozen=True, slots=True)
class _FirstAttempt:
    attempt: int = 1
    revision: int = 0
    told_revision: int | None = None
    may_repeat: bool = False


def unwritten_message(event: Event, severity: str, reader: Reader, now: int) -> Message:
    """The same for an event that could not be written down yet. Its id is that of its alert to be."""
    return message(Story(alert_id(event.key), severity, event, event, now), _FirstAttempt(), reader, now)


def carry_out(channel: Channel, message: Message) -> None:
    """Deliver. Raises what the channel raises."""
    channel.deliver(message)
