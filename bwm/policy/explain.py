"""A policy in plain English, for who must trust it."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bwm.policy.guard import UNLESS
from bwm.policy.kinds import every_kind, told_by_itself
from bwm.policy.rule import AlertStep, DeedStep, OnError, Policy
from bwm.policy.words import duration, listed

_DEEDS = {"respond": "send the response", "hook": "run", "webhook": "tell the server"}
_UNSURE = {
    OnError.ALERT: "alert, and do nothing else",
    OnError.ACT: "do all of it",
    OnError.HOLD: "do nothing",
}


def explain(policy: Policy) -> str:
    """Some lines: when, what, and what if it cannot be told."""
    lines = [f"{policy.name} (version {policy.version})", f"  On {listed(policy.on, 'or')}{_when(policy)}:"]
    if policy.plugin:
        seconds = duration(policy.plugin.timeout_s)
        lines.append(f"  ask the program {policy.plugin.program} (for at most {seconds}), and if it says so:")
    lines += [f"  {number}. {_step(step)}." for number, step in enumerate(policy.steps, 1)]
    if policy.limit:
        times, window = policy.limit.times, duration(policy.limit.within_s)
        lines.append(f"  At most {times} times within {window}; beyond that it only alerts.")
    if policy.instead:
        lines.append("  Its alert stands in the place of the built-in one.")
    if policy.when or policy.plugin:
        lines.append(f"  If bwm cannot tell whether this holds: {_UNSURE[policy.on_error]}.")
    return "\n".join(lines)


def _when(policy: Policy) -> str:
    return f", when {policy.when.words}" if policy.when else ""


def _step(step: AlertStep | DeedStep) -> str:
    return _alert(step) if isinstance(step, AlertStep) else _deed(step)


def _alert(step: AlertStep) -> str:
    words = f"Alert {listed(step.people) or 'everybody'}"
    if step.severity:
        words += f", as {step.severity}"
    if step.repeat_every_s:
        words += f", again every {duration(step.repeat_every_s)} until acknowledged"
    for rung in step.escalation:
        words += f"; after {duration(rung.after_s)} without an answer {listed(rung.people)} too"
    return words


def _deed(step: DeedStep) -> str:
    target = " ".join(step.arguments.get("argv", [step.target]))
    words = f"{_DEEDS[step.action]} {target}"
    if step.after_s:
        words = f"after {duration(step.after_s)} {words}"
    if step.approval_s:
        words += f", if a person approves it within {duration(step.approval_s)}"
    if step.unless:
        words += f", unless {listed([UNLESS[word] for word in step.unless], 'or')}"
    return words[0].upper() + words[1:]


def unheard(policies: Sequence[Policy]) -> dict[str, list[str]]:
    """Kinds of events that neither a policy nor bwm by itself tells anybody of, by family."""
    told = set(told_by_itself())
    families: dict[str, list[str]] = {}
    for kind in every_kind():
        handled = any(fnmatchcase(kind, pattern) for policy in policies for pattern in policy.on)
        if kind not in told and not handled:
            families.setdefault(kind.partition(".")[0], []).append(kind)
    return families
