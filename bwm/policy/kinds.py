"""Every kind of event that a policy can name, so that a slip of the pen is found before the theft."""

from difflib import get_close_matches
from fnmatch import fnmatchcase

from bwm import health
from bwm.guardian.notice import SEVERITY
from bwm.watch.sighting import Status
from bwm.watch.watch import Family

TOLD = (
    "announcement.broken",
    "announcement.cancelled",
    "announcement.expired",
    "announcement.made",
    "announcement.refused",
    "announcement.reused",
    "alert.code_refused",
    "alert.duress",
    "channel.device_retired",
    "deadman.back",
    "deadman.due",
    "deadman.missed",
    "deadman.overdue",
    "drill.failed",
    "drill.missed",
    "drill.seen",
    "funds.too_many",
    "hook.failed",
    "plugin.failed",
    "policy.approved",
    "policy.changed",
    "policy.failed",
    "response.buried",
    "response.called_off",
    "response.confirmed",
    "response.conflicted",
    "response.decided",
    "response.disarmed",
    "response.evicted",
    "response.held",
    "response.hold_off",
    "response.hold_on",
    "response.lost",
    "response.not_sent",
    "response.outbid",
    "response.raised",
    "response.ready",
    "response.refused",
    "response.removed",
    "response.reorged",
    "response.sent",
    "response.stuck",
    "response.unproven",
    "response.used",
    "response.void",
    "response.waiting",
    "response.weak",
    "trigger.coin_gone",
    "vault.removed",
    "webhook.failed",
)
"""Kinds in no other table that bwm tells by itself."""

UNTOLD = (
    "alert.acknowledged",
    "alert.snoozed",
    "alert.unacknowledged",
    "announcement.met",
    "deadman.checked_in",
    "hook.done",
    "hook.dropped",
    "plugin.answered",
    "policy.decided",
    "policy.vetoed",
    "response.added",
    "response.armed",
    "webhook.done",
    "webhook.dropped",
)
"""Kinds in no other table that stay in the journal unless a policy has them told."""


def told_by_itself() -> tuple[str, ...]:
    """The kinds of which bwm tells without any policy."""
    return tuple(kind for kind in every_kind() if kind not in UNTOLD)


def every_kind() -> tuple[str, ...]:
    """All of them, sorted."""
    steps = [str(status) for status in Status if status is not Status.SEEN]
    sighted = {f"{family}.{step}" for family in Family for step in steps}
    first = {"trigger.seen", "funds.received", "guardian.seen"}
    return tuple(sorted({*sighted, *first, *health.severities(), *map(str, SEVERITY), *TOLD, *UNTOLD}))


def named_by(pattern: str) -> tuple[str, ...]:
    """The kinds that a pattern names."""
    return tuple(kind for kind in every_kind() if fnmatchcase(kind, pattern))


def nearest(pattern: str) -> str | None:
    """What somebody may have meant who named nothing."""
    near = get_close_matches(pattern, every_kind(), n=1)
    return near[0] if near else None
