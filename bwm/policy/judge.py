"""An event and its surroundings in, what each policy makes of it out. Pure: the same facts, the same decisions.

A policy that asks a program decides in two steps: the event makes it ask, and the answer, an event of its own, makes
it act. So what is decided follows from the journal alone, also when it is replayed a year later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bwm.event import Event, fact_key
from bwm.policy.condition import like
from bwm.policy.decision import ASK, Decision, Wish
from bwm.policy.guard import Guard
from bwm.policy.rule import AlertStep, DeedStep, OnError, Plugin, Policy
from bwm.policy.view import Found, View
from bwm.policy.words import duration
from bwm.severity import Severity

ANSWERED, FAILED = "plugin.answered", "plugin.failed"
BROKEN = "policy.failed"
OWN_KINDS = ("policy.*", "plugin.*")
"""Kinds of events on which no policy acts, but for the answer that it asked for: none can go round in circles."""
_LEADS_NOT_TO = {"hook": ("hook", "webhook"), "webhook": ("hook", "webhook"), "response": ("respond",)}
"""What came of a deed is told, and leads to no other deed of its kind, by family."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one policy makes of one event."""

    policy: Policy
    decision: Decision
    alerts: tuple[AlertStep, ...] = ()


Acted = Mapping[str, Sequence[int]]
"""When each policy acted (unix seconds), as far back as its limit reaches."""


def judge(policies: Iterable[Policy], view: View, acted: Acted) -> tuple[Judgement, ...]:
    """Every policy that has something to say to an event, in the order of the file."""
    judged = (_judge(policy, view, acted.get(policy.name, ())) for policy in policies)
    return tuple(one for one in judged if one)


def _judge(policy: Policy, view: View, acted: Sequence[int]) -> Judgement | None:
    if view.event.kind in (ANSWERED, FAILED):
        return _on_answer(policy, view, acted)
    if not like(view.event.kind, policy.on) or like(view.event.kind, OWN_KINDS):
        return None
    found = _look(policy, view)
    if found.truth is False:
        return None
    if policy.plugin and found.truth:
        return _ask(policy, policy.plugin, view, found)
    return _act(policy, view, found, acted)


def _look(policy: Policy, view: View) -> Found:
    """What the conditions say; a fault in one of them is an answer that nobody knows."""
    if policy.when is None:
        return Found(True, "")
    try:
        return policy.when.look(view)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a condition, the others and the owner go on
        return Found(None, f"a condition failed ({type(error).__name__})")


def _on_answer(policy: Policy, view: View, acted: Sequence[int]) -> Judgement | None:
    detail = view.event.detail
    if policy.plugin is None or (detail.get("policy"), detail.get("version")) != (policy.name, policy.version):
        return None
    if view.event.kind == FAILED:
        return _act(policy, view, Found(None, view.event.reason), acted)
    if not detail.get("revault"):
        return None
    return _act(policy, view, Found(True, f"the program asks for it: {view.event.reason}"), acted)


def _ask(policy: Policy, plugin: Plugin, view: View, found: Found) -> Judgement:
    words = _sentence("asks its program", view, found)
    arguments = {"config": plugin.config, "timeout_s": plugin.timeout_s, "height": view.tip_height}
    wish = Wish(0, ASK, plugin.program, arguments)
    return Judgement(policy, _decision(policy, view, found, words, (wish,)))


def _act(policy: Policy, view: View, found: Found, acted: Sequence[int]) -> Judgement:
    steps = _steps(policy, found)
    alerts = tuple(step for step in steps if isinstance(step, AlertStep))
    barred = _LEADS_NOT_TO.get(view.event.kind.partition(".")[0], ())
    deeds = [(place, step) for place, step in policy.deeds if step in steps and step.action not in barred]
    verb = "acts" if found.truth else f"cannot tell whether it applies, and so {_FALLBACK[policy.on_error]}"
    limit = policy.limit
    # What a clock that ran ahead for a while has dated far into the future is not of this window.
    if limit and deeds and sum(abs(view.now - at) < limit.within_s for at in acted) >= limit.times:
        deeds = []
        alerts = alerts or (AlertStep(),)
        verb = f"acted {limit.times} times within {duration(limit.within_s)} already, and so only alerts"
    wishes = tuple(_wish(place, step, view.now) for place, step in deeds)
    return Judgement(policy, _decision(policy, view, found, _sentence(verb, view, found), wishes), alerts)


_FALLBACK = {OnError.ALERT: "alerts", OnError.ACT: "acts", OnError.HOLD: "holds"}


def _steps(policy: Policy, found: Found) -> tuple[AlertStep | DeedStep, ...]:
    if found.truth or policy.on_error is OnError.ACT:
        return policy.steps
    if policy.on_error is OnError.HOLD:
        return ()
    return policy.alerts or (AlertStep(),)


def _wish(place: int, step: DeedStep, now: int) -> Wish:
    approve_by = None if step.approval_s is None else now + step.approval_s
    guard = Guard(step.unless, approve_by) if step.unless or approve_by is not None else None
    return Wish(place, step.action, step.target, step.arguments, guard, step.after_s)


def _sentence(verb: str, view: View, found: Found) -> str:
    why = f": {found.words}" if found.words else ""
    return f"{verb} on {view.event.kind}{why}"


def _decision(policy: Policy, view: View, found: Found, words: str, wishes: tuple[Wish, ...]) -> Decision:
    return Decision(
        policy=policy.name,
        version=policy.version,
        event=view.event,
        reason=f"policy {policy.name!r} {words}",
        vault=view.event.vault,
        facts=found.facts,
        wishes=wishes,
    )


def faulty(fault: str, network: str, now: int) -> Event:
    """The event that says that policies could not be looked at; one an hour for each sort of fault."""
    return Event(
        key=fact_key(network, BROKEN, fault, now // 3600),
        kind=BROKEN,
        at=now,
        network=network,
        reason=f"a fault in bwm ({fault}) kept it from asking the policies; its own alerts leave all the same",
        detail={"case": BROKEN},
    )


def loudness(
    judgements: Sequence[Judgement], usual: Severity | None, default: Severity, floor: Severity
) -> AlertStep | None:
    """How an event is told that policies have something to say to; None: not told at all.

    ``usual``: how loud bwm is by itself (None: silent); ``default``: of a step that names no severity where bwm would
    be silent; ``floor``: no policy can make it quieter than this. Policies add up: the loudest severity counts,
    everybody named hears of it, and everybody at all where one policy names nobody.
    """
    steps = [(one.policy, step) for one in judgements for step in one.alerts]
    if not steps:
        return None if usual is None else AlertStep(severity=usual)
    severities = [step.severity or usual or default for _, step in steps]
    if usual and not all(policy.instead for policy, _ in steps):
        severities.append(usual)
    named = [step.people for _, step in steps]
    repeats = [step.repeat_every_s for _, step in steps if step.repeat_every_s is not None]
    rungs = {rung: None for _, step in steps for rung in step.escalation}
    return AlertStep(
        people=tuple(dict.fromkeys(name for people in named for name in people)) if all(named) else (),
        severity=max([*severities, floor], key=lambda severity: severity.rank),
        repeat_every_s=min(repeats, default=None),
        escalation=tuple(sorted(rungs, key=lambda rung: rung.after_s)),
    )
