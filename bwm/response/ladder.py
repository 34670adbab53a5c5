"""Which of the transactions signed in advance is sent now: the step of the ladder for a deadline, a value, a budget.

A step is never taken back: what replaces a transaction in the mempool must pay more than it (BIP 125).
"""

from collections.abc import Sequence
from dataclasses import dataclass

_PATIENCE = 6  # blocks that a step may wait without a deadline
_CHEAP = 1000  # a fee below this part of the value at risk is not saved on
_LAST_BLOCKS = 2  # with so few blocks left the highest step is sent
_FAR = 144  # blocks: estimates further ahead than a day say little


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One transaction of the ladder, or its package. Positions rise with the feerate, from 0."""

    position: int
    feerate: int  # sat/kvB
    fee_sats: int


@dataclass(frozen=True, slots=True)
class Need:
    """What the moment asks for."""

    floor: int  # sat/kvB: below it the node takes nothing now
    estimate: int | None = None  # sat/kvB to be mined within ``target`` blocks; None: the node cannot tell
    blocks_left: int | None = None  # in which the response can be mined before the thief; None: no deadline known
    blocks_in_all: int | None = None  # of the deadline, from its beginning
    value_sats: int | None = None  # at risk
    budget_sats: int | None = None  # the owner's limit on the fee
    waited: int = 0  # blocks since the current step was sent
    at_least: int = 0  # lower positions were refused as too cheap


@dataclass(frozen=True, slots=True)
class Choice:
    """The position to be sent, None when the owner allows none; and why."""

    position: int | None
    reason: str


def target(blocks_left: int | None) -> int:
    """Within how many blocks the response should be mined: leaves room for two tries more."""
    return _PATIENCE if blocks_left is None else max(2, min(_FAR, blocks_left // 3))


def choose(steps: Sequence[LadderStep], need: Need, current: int | None = None) -> Choice:
    """The step for this moment. ``steps``: by position; ``current``: the position that is in the mempool."""
    limit = limit_of(need)
    allowed = [step for step in steps if limit is None or step.fee_sats <= limit]
    if not allowed:
        return Choice(None, f"every step pays more than the budget of {limit} sat")
    wishes = [
        _by_estimate(allowed, need),
        _by_deadline(allowed, need),
        _by_value(allowed, need),
        (_first_at(allowed, need.floor), "the mempool takes nothing cheaper"),
        (need.at_least, "lower steps were refused as too cheap"),
    ]
    if current is not None:
        patient = need.waited < _PATIENCE
        wishes.append((current, "it stands") if patient else (current + 1, f"it waited for {need.waited} blocks"))
    wish, reason = max(wishes, key=lambda each: each[0])
    highest = allowed[-1].position
    if wish > highest:
        reason = f"the highest step that the budget allows, though {reason}"
    position = max(step.position for step in allowed if step.position <= max(wish, allowed[0].position))
    if current is not None and position < current:
        return Choice(current, "it stands, and pays more than would be allowed now")
    return Choice(position, reason)


def limit_of(need: Need) -> int | None:
    """What may be paid at most: the owner's budget, and never more than is at risk."""
    limits = [limit for limit in (need.budget_sats, need.value_sats) if limit is not None]
    return min(limits, default=None)


def _by_estimate(allowed: Sequence[LadderStep], need: Need) -> tuple[int, str]:
    if need.estimate is None:
        return allowed[-1].position, "the node cannot estimate fees"
    within = f"to be mined within {target(need.blocks_left)} blocks takes {need.estimate / 1000:g} sat/vB"
    return _first_at(allowed, need.estimate), within


def _by_deadline(allowed: Sequence[LadderStep], need: Need) -> tuple[int, str]:
    """The fewer of its blocks are left, the higher: evenly over two thirds of them, so that the last step has time."""
    left, in_all = need.blocks_left, need.blocks_in_all
    if left is None:
        return 0, ""
    words = f"{left} blocks are left" if left != 1 else "1 block is left"
    if left <= _LAST_BLOCKS or not in_all:
        return allowed[-1].position, words
    gone = max(0, in_all - left)
    return allowed[min(len(allowed) - 1, len(allowed) * gone * 3 // (in_all * 2))].position, words


def _by_value(allowed: Sequence[LadderStep], need: Need) -> tuple[int, str]:
    if need.value_sats is None:
        return 0, ""
    cheap = [step.position for step in allowed if step.fee_sats * _CHEAP <= need.value_sats]
    return max(cheap, default=0), f"its fee is below 1/{_CHEAP} of the {need.value_sats} sat at risk"


def _first_at(allowed: Sequence[LadderStep], feerate: int) -> int:
    """The lowest position that pays the feerate; one above the highest where none does."""
    return next((step.position for step in allowed if step.feerate >= feerate), allowed[-1].position + 1)
