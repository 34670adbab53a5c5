"""The settings of alerts, drills and check-ins: [alerts], [drill] and [deadman]."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo

from bwm.hold import QuietHours
from bwm.order import Rung
from bwm.secret import Secret
from bwm.severity import Severity
from bwm.toml import Table

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_SEAL = re.compile(r"scrypt:[0-9a-f]{32}:[0-9a-f]{64}")
_DAY = 86400
_LONGEST_PERIOD_S = 3650 * _DAY


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Who hears of an alert that nobody answers, when people sleep, and what a forced answer looks like."""

    ladder: tuple[Rung, ...] = ()
    quiet: tuple[QuietHours, ...] = ()
    duress: Mapping[str, Secret] = field(default_factory=dict)  # sealed codes by person
    prove_every_s: int = 30 * _DAY  # a channel that delivered nothing for so long is not proved to work


@dataclass(frozen=True, slots=True)
class DrillConfig:
    """How often everything is tried from end to end. None: only when somebody asks."""

    every_s: int | None = None
    answer_within_s: int = _DAY
    vault: str | None = None


@dataclass(frozen=True, slots=True)
class CheckInConfig:
    """How often the owner must give a sign of life. Spans are seconds."""

    period_s: int
    grace_s: int = 7 * _DAY
    remind_s: int = 0  # so long before the end of the period people are reminded; 0: they are not
    severity: Severity = Severity.CRITICAL  # of the last stage


def read_alerts(table: Table, people: Collection[str]) -> AlertsConfig:
    """[alerts]. ``people``: whom the channels reach. Raises ConfigError."""
    settings = AlertsConfig(
        ladder=tuple(_rung(each, people) for each in table.tables("escalate")),
        quiet=tuple(_quiet(each, people) for each in table.tables("quiet")),
        duress=dict(_duress(each, people) for each in table.tables("duress")),
        prove_every_s=table.duration("prove_every", 30 * _DAY, 3600, 366 * _DAY),
    )
    table.finish()
    waits = [rung.after_s for rung in settings.ladder]
    if waits != sorted(waits):
        raise table.error("the steps of escalate must stand in the order of their times", "escalate")
    return settings


def read_drill(table: Table) -> DrillConfig:
    """[drill]. Raises ConfigError."""
    every_s = table.duration("every", 0, _DAY, 366 * _DAY)
    settings = DrillConfig(every_s or None, table.duration("answer_within", _DAY, 60, 7 * _DAY), table.text("vault"))
    table.finish()
    return settings


def read_check_in(table: Table) -> CheckInConfig | None:
    """[deadman]; None: no sign of life is wanted. Raises ConfigError."""
    period_s = table.duration("period", 0, 3600, _LONGEST_PERIOD_S)
    settings = CheckInConfig(
        period_s=period_s,
        grace_s=table.duration("grace", 7 * _DAY, 3600, _LONGEST_PERIOD_S),
        remind_s=table.duration("remind", period_s // 10, 0, _LONGEST_PERIOD_S),
        severity=Severity(table.choice("severity", list(Severity)[2:], Severity.CRITICAL)),
    )
    table.finish()
    if not period_s:
        if table.content:
            raise table.error('check_in needs a period, like period = "30d"; to want no check-ins, remove the section')
        return None
    if settings.remind_s >= period_s:
        raise table.error("remind must be shorter than period: people are reminded so long before its end", "remind")
    return settings


def _rung(table: Table, people: Collection[str]) -> Rung:
    rung = Rung(
        people=_known(table, "to", people),
        after_s=table.duration("after", 0, 0, 7 * _DAY),
        min_severity=Severity(table.choice("min_severity", list(Severity)[1:], Severity.CRITICAL)),
    )
    table.finish()
    if not rung.people or not rung.after_s:
        raise table.error('a step of escalate needs people and a time: to = ["family"] and after = "30m"')
    return rung


def _quiet(table: Table, people: Collection[str]) -> QuietHours:
    hours, zone = table.required_text("hours"), table.text("zone") or "UTC"
    whose, below = _known(table, "people", people), table.choice("below", (Severity.WARNING, Severity.HIGH), "high")
    table.finish()
    if not (found := _HOURS.fullmatch(hours)):
        raise table.error(f"hours is {hours!r}: write it like 22:00-07:00", "hours")
    begin_hour, begin_minute, end_hour, end_minute = map(int, found.groups())
    try:
        quiet = QuietHours(
            begins=time(begin_hour, begin_minute),
            ends=time(end_hour, end_minute),
            zone=ZoneInfo(zone),
            people=whose,
            below=Severity(below),
        )
    except (KeyError, ValueError, OSError):  # also what is no name at all, like a folder of the zones' database
        raise table.error(f"zone is {zone!r}: use a name like Europe/Berlin, or UTC", "zone") from None
    return quiet


def _duress(table: Table, people: Collection[str]) -> tuple[str, Secret]:
    person, seal = table.required_text("person"), table.secret("seal")
    table.finish()
    if person not in people:
        raise table.error(f"person is {person!r}: no channel reaches anybody of that name", "person")
    if seal is None or not _SEAL.fullmatch(seal.reveal()):
        raise table.error("a duress code needs its seal: `bwm seal-code` makes one")
    return person, seal


def _known(table: Table, key: str, people: Collection[str]) -> tuple[str, ...]:
    names = table.words(key)
    if unknown := set(names) - set(people):
        raise table.error(f"{key} names {', '.join(sorted(unknown))}, whom no channel reaches", key)
    return names
