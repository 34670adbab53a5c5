"""How far back policies look, so that no more is read than they need."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from bwm.policy.compose import AtLeast, Not
from bwm.policy.condition import Condition, Count, InFlight, Vaults
from bwm.policy.judge import ANSWERED, FAILED
from bwm.policy.rule import Policy


def concerned(policies: Iterable[Policy], kinds: Iterable[str]) -> tuple[Policy, ...]:
    """Those that may have something to say to events of these kinds."""
    kinds = tuple(kinds)
    answered = not {ANSWERED, FAILED}.isdisjoint(kinds)
    return tuple(
        policy
        for policy in policies
        if (policy.plugin and answered) or any(fnmatchcase(kind, on) for kind in kinds for on in policy.on)
    )


def window_s(policies: Iterable[Policy]) -> int:
    """The longest window in seconds over which one of them looks at the journal; 0: none does."""
    return max((_window(policy.when) for policy in policies if policy.when), default=0)


def looks_around(policies: Iterable[Policy]) -> bool:
    """Whether one of them looks in the journal for more than what happened to the event's own vault or guardian."""
    return any(_looks_around(policy.when) for policy in policies if policy.when)


def limit_s(policies: Iterable[Policy]) -> int:
    """The longest window in seconds over which one of them is limited; 0: none is."""
    return max((policy.limit.within_s for policy in policies if policy.limit), default=0)


def has_interlock(condition: Condition | None) -> bool:
    """Whether it asks for trouble at more than one vault."""
    match condition:
        case Vaults():
            return condition.least > 1
        case AtLeast():
            return sum(not has_interlock(part) for part in condition.of) < condition.least
    return False


def _window(condition: Condition) -> int:
    match condition:
        case InFlight() | Count() | Vaults():
            return condition.within_s
        case AtLeast():
            return max((_window(part) for part in condition.of), default=0)
        case Not():
            return _window(condition.part)
    return 0


def _looks_around(condition: Condition) -> bool:
    match condition:
        case Vaults():
            return True
        case InFlight():
            return bool(condition.vaults)
        case Count():
            return condition.everywhere
        case AtLeast():
            return any(_looks_around(part) for part in condition.of)
        case Not():
            return _looks_around(condition.part)
    return False
