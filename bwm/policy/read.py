"""``[[policy]]`` sections become policies. Raises ConfigError with line and way out for every mistake."""

import json
import posixpath
from collections.abc import Collection, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from bwm.chain.network import Network
from bwm.order import Rung
from bwm.policy.condition import Condition
from bwm.policy.guard import UNLESS
from bwm.policy.reach import has_interlock
from bwm.policy.read_conditions import LONGEST_S, kinds_of, read_when
from bwm.policy.rule import AlertStep, DeedStep, Limit, OnError, Plugin, Policy
from bwm.severity import Severity
from bwm.toml import Table

LONGEST_RUN_S = 45  # of a program: its lease in the outbox is 60 seconds
_DEEDS = ("respond", "hook", "webhook")
_BUILT_IN = ("operator",)  # names that decisions carry which no policy of the file made


def read_policies(
    top: Table, network: Network, people: Collection[str], webhooks: Collection[str]
) -> tuple[Policy, ...]:
    """Every policy of a file. ``people``: who can be reached; ``webhooks``: the names of the configured ones."""
    policies: dict[str, Policy] = {}
    for table in top.tables("policy"):
        policy = _policy(table, network, people, webhooks)
        if policy.name in policies or policy.name in _BUILT_IN:
            taken = "bwm itself uses" if policy.name in _BUILT_IN else "another policy has"
            raise table.error(f"{taken} the name {policy.name!r}: each needs its own", "name")
        policies[policy.name] = policy
    return tuple(policies.values())


def _policy(table: Table, network: Network, people: Collection[str], webhooks: Collection[str]) -> Policy:
    table.only("name", "on", "when", "then", "on_error", "instead", "limit", "plugin", "config", "timeout")
    name = table.required_text("name")
    on = kinds_of(table, "on")
    if not on:
        raise table.error('on is missing here: name events, like on = ["trigger.seen", "trigger.confirmed"]')
    when = read_when(table.table("when"), network)
    steps = tuple(one for step in table.tables("then") for one in _steps(step, people, webhooks, when))
    if not steps:
        raise table.error('then is missing here: say what to do, like then = [{ alert = ["owner"] }]')
    policy = Policy(
        name=name,
        version=_version(table.content),
        on=on,
        when=when,
        steps=steps,
        on_error=OnError(table.choice("on_error", list(OnError), OnError.ALERT)),
        instead=table.flag("instead", default=False),
        limit=_limit(table),
        plugin=_plugin(table),
    )
    if policy.instead and not any(step.severity for step in policy.alerts):
        raise table.error(
            "instead = true puts an alert of this policy in the place of the built-in one, and this policy has none "
            "that names its severity: add { alert = […], severity = … }, or remove instead",
            "instead",
        )
    return policy


def _version(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _limit(table: Table) -> Limit | None:
    limit = table.table("limit")
    times = limit.whole("times", 1, 1, 1_000_000)
    within_s = limit.duration("within", 3600, 1, LONGEST_S)
    limit.finish()
    if table.has("limit") and not (limit.has("times") and limit.has("within")):
        raise table.error('limit needs times and within, like limit = { times = 3, within = "1h" }', "limit")
    return Limit(times, within_s) if table.has("limit") else None


def _plugin(table: Table) -> Plugin | None:
    program, config = table.text("plugin"), table.anything("config")
    timeout_s = table.duration("timeout", 10, 1, LONGEST_RUN_S)
    if program is None:
        if table.has("config") or table.has("timeout"):
            key = "config" if table.has("config") else "timeout"
            raise table.error(f"{key} belongs to a plugin, and this policy has none", key)
        return None
    return Plugin(_program(table, "plugin", program), config, timeout_s)


def _program(table: Table, key: str, program: str) -> str:
    if not posixpath.isabs(program):
        raise table.error(f"{key} is {program!r}: give the whole path of the program, from / on", key)
    return program


def _steps(
    table: Table, people: Collection[str], webhooks: Collection[str], when: Condition | None
) -> Iterator[AlertStep | DeedStep]:
    """One step; or, where ``respond`` names several responses, one for each."""
    targets = table.one_or_more("respond")
    step = _step(table, people, webhooks)
    if len(targets) < 2 or not isinstance(step, DeedStep):
        yield step
        return
    if step.approval_s is None and not has_interlock(when):
        raise table.error(
            "respond names several responses, and one false alarm would send them all: have a person agree with "
            'approval = "2h", or ask for trouble at two vaults with '
            'when = { count = { kind = "trigger.*", vaults = 2, within = "1d" } }',
            "respond",
        )
    for target in targets:
        yield replace(step, target=target)


def _step(table: Table, people: Collection[str], webhooks: Collection[str]) -> AlertStep | DeedStep:
    actions = [action for action in ("alert", *_DEEDS) if table.has(action)]
    if len(actions) != 1:
        found = " and ".join(actions) if actions else next(iter(table.content), "nothing")
        raise table.error(f"a step does one thing: alert, respond, hook or webhook; this one has {found}")
    step = _alert(table, people) if actions == ["alert"] else _deed(table, actions[0], webhooks)
    table.finish()
    return step


def _alert(table: Table, people: Collection[str]) -> AlertStep:
    severity = table.choice("severity", list(Severity), "")
    rungs = tuple(_rung(rung, people) for rung in table.table_or_tables("escalate"))
    named = _people(table, "alert", people)
    if table.has("after"):
        raise table.error(
            'people are told at once; for others later, write escalate = { to = […], after = "30m" }', "after"
        )
    repeat = table.duration("repeat", 0, 60, 7 * 86_400) if table.has("repeat") else table.anything("repeat")
    return AlertStep(named, Severity(severity) if severity else None, repeat, rungs)


def _rung(table: Table, people: Collection[str]) -> Rung:
    rung = Rung(_people(table, "to", people), table.duration("after", 0, 1, 30 * 86_400))
    table.finish()
    if not (rung.people and rung.after_s):
        raise table.error('escalate needs to and after, like { to = ["lawyer"], after = "30m" }')
    return rung


def _people(table: Table, key: str, people: Collection[str]) -> tuple[str, ...]:
    named = table.one_or_more(key) if table.anything(key) != [] else ()
    for person in named:
        if person not in people:
            known = f"Channels reach {', '.join(sorted(people))}" if people else "No channel names any people"
            raise table.error(f"{key} names {person!r}, and no channel reaches them. {known}", key)
    return named


def _deed(table: Table, action: str, webhooks: Collection[str]) -> DeedStep:
    arguments: dict[str, Any] = {}
    if action == "hook":
        argv = table.words("hook")
        if not argv:
            raise table.error(
                'hook is empty: give the program and its arguments, like ["/etc/bwm/hooks/siren"]', "hook"
            )
        target = _program(table, "hook", argv[0])
        arguments = {"argv": list(argv), "timeout_s": table.duration("timeout", 10, 1, LONGEST_RUN_S)}
        if run_as := table.text("run_as"):
            arguments["run_as"] = run_as
    elif action == "respond":
        target = table.one_or_more("respond")[0]
    else:
        target = table.required_text(action)
        if action == "webhook":
            if target not in webhooks:
                known = ", ".join(webhooks) or "none"
                raise table.error(f"there is no [[webhook]] of the name {target!r}; there is: {known}", action)
            arguments = {"timeout_s": table.duration("timeout", 10, 1, LONGEST_RUN_S)}
    return DeedStep(
        action=action,
        target=target,
        arguments=arguments,
        after_s=table.duration("after", 0, 0, 30 * 86_400),
        unless=_unless(table),
        approval_s=table.duration("approval", 0, 60, 30 * 86_400)
        if table.has("approval")
        else table.anything("approval"),
    )


def _unless(table: Table) -> tuple[str, ...]:
    words = table.one_or_more("unless")
    for word in words:
        if word not in UNLESS:
            raise table.error(f"unless has {word!r}: use any of {', '.join(UNLESS)}", "unless")
    return words
