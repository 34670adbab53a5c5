"""digest: many alerts that can wait, told in one message. How many of each sort, and where to read them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bwm.channels.channel import Entry, Message
from bwm.severity import Severity
from bwm.wording import Reader, tell_digest


@dataclass(frozen=True, slots=True)
class Told:
    """So many alerts of one sort."""

    kind: str  # of the latest event
    severity: str
    vault: str | None
    guardian: str | None
    count: int


def message(
    number: int, entries: Sequence[Entry], told: Sequence[Told], reader: Reader, now: int, *, may_repeat: bool
) -> Message:
    """What the channel is given to say. ``number``: names the digest."""
    gravest = max((Severity(one.severity) for one in told), key=lambda severity: severity.rank)
    kinds: Counter[tuple[str, str | None]] = Counter()
    for one in told:
        kinds[one.kind, one.vault or one.guardian] += one.count
    text = tell_digest([(kind, owner, count) for (kind, owner), count in kinds.most_common()], reader)
    return Message(
        alert_id=f"digest-{number}",
        severity=str(gravest),
        kind="alert.digest",
        title=text.title,
        body=text.body,
        may_repeat=may_repeat,
        at=now,
        entries=tuple(entries),
    )
