"""What bwm cannot see or do right now: conditions that begin, are told when they last, and end. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bwm.clock import rfc3339
from bwm.event import Event, fact_key
from bwm.severity import Severity


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to be in trouble."""

    began: str  # the kind of the event that tells it
    ended: str  # the kind of the event that says it is over
    severity: Severity
    patience_s: int  # shorter troubles are not worth an alert
    blinds: bool  # whether triggers may pass unseen meanwhile
    words: str


_LOUD, _HIGH, _LOW = Severity.CRITICAL, Severity.HIGH, Severity.WARNING

CONDITIONS: Mapping[str, Condition] = {
    "node": Condition(
        "node.unreachable",
        "node.reachable",
        _LOUD,
        60,
        True,
        "the node does not answer: bwm is blind. Check that bitcoind runs",
    ),
    "network": Condition(
        "node.wrong_network",
        "node.right_network",
        _LOUD,
        0,
        True,
        "the node is on another network: bwm watches nothing. Point [node] at the right one",
    ),
    "syncing": Condition(
        "node.syncing",
        "node.synced",
        _HIGH,
        60,
        True,
        "the node is still catching up with the chain: what happens at its tip is not seen yet",
    ),
    "chain": Condition(
        "node.chain_unreadable",
        "node.chain_readable",
        _LOUD,
        60,
        True,
        "a block cannot be read: bwm stands still before it",
    ),
    "database": Condition(
        "node.database_failing",
        "node.database_working",
        _LOUD,
        30,
        True,
        "the database cannot be written: alerts leave from memory, and nothing is remembered. Free the disk",
    ),
    "feed": Condition(
        "node.feed_lost",
        "node.feed_back",
        _LOW,
        60,
        False,
        "the node's ZMQ feed is silent: bwm still sees everything, some seconds later. Run `bwm doctor`",
    ),
    "tip-60": Condition(
        "node.tip_old",
        "node.tip_new",
        _LOW,
        0,
        False,
        "no block for an hour: that happens by chance about 130 times a year",
    ),
    "tip-90": Condition(
        "node.tip_very_old",
        "node.tip_new_at_last",
        _HIGH,
        0,
        False,
        "no block for 90 minutes: check the node's peers, it may be cut off",
    ),
    "tip-120": Condition(
        "node.tip_stale",
        "node.tip_fresh",
        _LOUD,
        0,
        True,
        "no block for two hours: the node is very likely cut off from the network, and bwm with it",
    ),
    "slow-blocks": Condition(
        "node.blocks_slow",
        "node.blocks_normal",
        _HIGH,
        0,
        False,
        "blocks come at half their speed: by chance about once a year, else the node is fed by somebody",
    ),
    "peers": Condition(
        "node.disagreement",
        "node.agreement",
        _LOUD,
        1200,
        True,
        "another node has a different chain: one of them is cut off or lying",
    ),
    "behind": Condition(
        "node.peer_behind",
        "node.peer_level",
        _LOUD,
        1200,
        False,
        "another node has the same chain and not yet all of it: it can vouch for nothing newer",
    ),
    "silent": Condition(
        "node.peer_silent",
        "node.peer_answers",
        _LOW,
        3600,
        False,
        "another node does not answer: nobody compares chains with it. Check that it runs, and its password",
    ),
    "disk": Condition(
        "node.disk_low",
        "node.disk_free",
        _HIGH,
        0,
        False,
        "the disk that holds bwm's database is nearly full: free some space",
    ),
    "clock": Condition(
        "node.clock_wrong",
        "node.clock_right",
        _LOW,
        0,
        False,
        "this machine's clock disagrees with the chain's: set it, alerts' times are wrong until then",
    ),
    "heartbeat": Condition(
        "node.heartbeat_failing",
        "node.heartbeat_working",
        _LOW,
        300,
        False,
        "the outside dead-man service cannot be reached: it will soon believe that bwm is dead",
    ),
    "channel": Condition(
        "channel.failing",
        "channel.working",
        _HIGH,
        60,
        False,
        "a channel takes no messages: whoever it reaches is not told. Try `bwm test-channel`",
    ),
    "unproved": Condition(
        "channel.unproved",
        "channel.proved",
        _LOW,
        0,
        False,
        "a channel has delivered nothing for a long time: nobody knows whether it works. Try `bwm test-channel`",
    ),
}
"""By name. What follows a slash in a trouble's name is its subject: ``channel/phone``."""

OF_THE_LOOP = frozenset(CONDITIONS) - {"peers", "behind", "silent", "heartbeat", "channel", "unproved"}
"""The conditions that the loop which reads the chain begins and ends by itself."""

LADDER = ((60 * 60, "tip-60"), (90 * 60, "tip-90"), (120 * 60, "tip-120"))
"""How old the tip may be before it is noticed, told, and cried out, in seconds."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A condition that holds."""

    since: int  # unix seconds
    words: str
    told: bool = False


Troubles = Mapping[str, Trouble]


def condition_of(name: str) -> Condition:
    """The condition behind a trouble's name."""
    return CONDITIONS[name.partition("/")[0]]


def look(troubles: Troubles, observed: Mapping[str, str], network: str, now: int) -> tuple[Troubles, tuple[Event, ...]]:
    """The troubles after a look, and the events that tell of their begins and ends.

    ``observed`` holds the conditions that hold now, each with a detail in words ("" for none). Nothing is told of
    a trouble that ends within its patience.
    """
    after: dict[str, Trouble] = {}
    events: list[Event] = []
    for name in sorted({*troubles, *observed}):
        condition = condition_of(name)
        trouble = troubles.get(name)
        if name in observed:
            trouble = trouble or Trouble(now, observed[name])
            if trouble.since > now and not trouble.told:
                trouble = replace(trouble, since=now)  # the clock was set back
            if not trouble.told and now - trouble.since >= condition.patience_s:
                trouble = replace(trouble, told=True, words=observed[name])
                events.append(_event(name, condition.began, trouble, network, now))
            after[name] = trouble
        elif trouble and trouble.told:
            events.append(_event(name, condition.ended, trouble, network, now))
    return after, tuple(events)


def blind_since(troubles: Troubles) -> int | None:
    """Since when triggers may pass unseen (unix seconds), or None when nothing can."""
    return min((trouble.since for name, trouble in troubles.items() if condition_of(name).blinds), default=None)


def severities() -> dict[str, Severity]:
    """How loudly each of these events is told, by kind."""
    loud = {condition.began: condition.severity for condition in CONDITIONS.values()}
    once = {AWOKE: _LOW, GAP: _LOUD, CHAIN_REPLACED: _LOUD, RESTORED: _LOUD, STOPPED: _LOUD}
    return {**once, **loud, **{condition.ended: Severity.INFO for condition in CONDITIONS.values()}}


def settles(kind: str) -> Severity | None:
    """How grave a trouble an event of this kind ends; None when it ends none."""
    return next((condition.severity for condition in CONDITIONS.values() if condition.ended == kind), None)


def can_end(kind: str) -> bool:
    """Whether an event of this kind begins a trouble, whose end is told as well."""
    return any(condition.began == kind for condition in CONDITIONS.values())


def tip_conditions(tip_age_s: int) -> dict[str, str]:
    """The steps of the ladder that a tip of this age has reached."""
    return {name: f"{tip_age_s // 60} minutes" for limit_s, name in LADDER if tip_age_s >= limit_s}


SLOW_BLOCKS = 18
"""So many blocks or fewer within six hours happen about once a year."""

_SLOW_SPAN_S = 6 * 3600


def slow_conditions(blocks: int, span_s: int) -> dict[str, str]:
    """What follows from how long the last ``blocks`` blocks took, up to now."""
    too_slow = blocks >= SLOW_BLOCKS and span_s > _SLOW_SPAN_S
    return {"slow-blocks": f"{blocks} blocks in {span_s // 60} minutes"} if too_slow else {}


GAP = "node.gap"


def gap(first_height: int, last_height: int, network: str, now: int) -> Event:
    """The node has deleted blocks that bwm did not read: what they hold is not known and never will be."""
    detail = {"first_height": first_height, "last_height": last_height, "case": f"gap/{first_height}"}
    reason = (
        f"blocks {first_height} to {last_height} were pruned by the node before bwm could read them: bwm compares the "
        "watched coins with the unspent ones, and cannot know what else happened there. Keep more blocks (prune=)"
    )
    return Event(fact_key(network, GAP, first_height, last_height), GAP, now, network, reason, detail=detail)


CHAIN_REPLACED = "node.chain_replaced"


def chain_replaced(height: int, block_hash: str, shared: int | None, read_from: int, network: str, now: int) -> Event:
    """The node's chain left ours further below than any reorg goes. ``shared``: the last block of both, if known."""
    detail = {"height": height, "hash": block_hash, "read_from": read_from, "case": f"chain/{block_hash}"}
    known = "none of the blocks" if shared is None else f"no block after {shared} of those"
    reason = (
        f"the node's chain has {known} that bwm has read, up to {height}: the node was replaced, or the chain was "
        f"rewritten. Everything is read again from block {read_from} on"
    )
    return Event(fact_key(network, CHAIN_REPLACED, block_hash), CHAIN_REPLACED, now, network, reason, detail=detail)


RESTORED = "node.restored"


def restored(since: int, until: int, triggers_before: int, triggers: int, network: str, now: int) -> Event:
    """The database is an older state than the one that bwm worked with: what happened between is not in it."""
    detail = {"since": since, "until": until, "triggers_before": triggers_before, "triggers": triggers}
    reason = (
        f"the database is a backup: what was added, removed or acknowledged between {rfc3339(since)} and "
        f"{rfc3339(until)} is not in it. It watches {triggers} triggers, before there were {triggers_before}: compare "
        "with your own list (bwm list-vaults). The chain is read again from the backup's last block on"
    )
    key = fact_key(network, RESTORED, since, until)
    return Event(key, RESTORED, now, network, reason, detail={**detail, "case": f"restored/{since}/{until}"})


STOPPED = "node.stopped"


def stopped(words: str, network: str, now: int) -> Event:
    """bwm cannot go on, and its next start will not be able to either."""
    return Event(fact_key(network, STOPPED, words), STOPPED, now, network, f"bwm has stopped: {words}")


AWOKE = "node.was_asleep"


def awoke(asleep_since: int, now: int, network: str) -> Event:
    """bwm, or its machine, was stopped without being told: the event that says so."""
    detail = {"since": asleep_since, "lasted_s": now - asleep_since, "case": f"asleep/{asleep_since}"}
    reason = f"bwm made no step for {now - asleep_since} seconds: its machine slept, or its clock was set forward"
    return Event(fact_key(network, AWOKE, asleep_since), AWOKE, now, network, reason, detail=detail)


Interval = tuple[int, int]


def unwatched_s(intervals: Iterable[Interval], since: int, now: int) -> int:
    """Seconds between ``since`` and ``now`` that lie in at least one of the blind intervals."""
    total, reached = 0, since
    for began, ended in sorted(intervals):
        began, ended = max(began, reached), min(ended, now)
        if ended > began:
            total += ended - began
            reached = ended
    return total


def _event(name: str, kind: str, trouble: Trouble, network: str, now: int) -> Event:
    condition = condition_of(name)
    subject = name.partition("/")[2]
    detail: dict[str, object] = {"since": trouble.since, "case": f"{name}/{trouble.since}"}
    if subject:
        detail["subject"] = subject
    if trouble.words:
        detail["words"] = trouble.words
    about = f"{subject}: " if subject else ""
    if kind == condition.ended:
        detail["lasted_s"] = now - trouble.since
        reason = f"{about}over after {now - trouble.since} seconds: {condition.words.partition(':')[0]}"
    else:
        reason = f"{about}{condition.words}{f' ({trouble.words})' if trouble.words else ''}"
    return Event(fact_key(network, kind, name, trouble.since), kind, now, network, reason, detail=detail)
