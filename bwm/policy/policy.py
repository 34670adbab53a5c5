"""What decisions are made of: the facts that a rule may look at, and what it says."""

from dataclasses import dataclass

from bwm.severity import Severity


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rule knows beside the event itself."""

    vault_severity: Severity = Severity.EMERGENCY  # how bad a spend from this vault is
    old_news: bool = False  # it was final on the chain before its trigger was registered
    is_locked: bool = False  # a guardian of the vault is locked


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an event calls for. No severity: nobody need hear of it."""

    severity: Severity | None
    policy: str
    reason: str
    resolves: bool = False  # the matter is settled: its alert needs no acknowledgement
