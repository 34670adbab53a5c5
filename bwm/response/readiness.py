"""Whether a response would work if it were needed today: a verdict from facts. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bwm.response.answers import MEANING, Answer, Deed

_TRUC = 3  # BIP 431


class Verdict(StrEnum):
    """How it stands with one response."""

    READY = "ready"
    UNPROVEN = "unproven"  # nothing speaks against it; its coins or signatures cannot be checked yet
    WEAK = "weak"  # it would be taken, and may be mined too late or never
    VOID = "void"  # it would not do
    USED = "used"  # its coins are spent by it


@dataclass(frozen=True, slots=True)
class Rules:
    """What the node asks of transactions today."""

    floor: int  # sat/kvB
    mining: int | None = None  # sat/kvB to be mined within a day; None: the node cannot tell
    takes_truc_packages: bool = True  # parents below the floor with a child that pays, if both are of version 3


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step of the ladder as chain and node show it now."""

    feerate: int | None  # sat/kvB, of the package where there is a child; None: its coins are not known
    own_feerate: int | None  # of the response alone
    version: int
    has_child: bool
    coins_exist: bool  # all that it spends is there, in the chain or the mempool
    coins_spent: bool  # one of them is spent by another than it, in the chain
    is_signed: bool | None  # by the node's check of its scripts; None: could not be checked
    answer: Answer | None = None  # of testmempoolaccept; None: not asked
    answer_words: str = ""
    pays_allowed: bool = True
    mined: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and why."""

    verdict: Verdict
    reason: str


def judge(steps: Sequence[StepFacts], rules: Rules) -> Judgement:
    """How a whole ladder stands: as its best step does; a single bad step is told all the same."""
    if not steps:
        return Judgement(Verdict.VOID, "its transactions cannot be opened: the key that sealed them is missing")
    if any(step.mined for step in steps):
        return Judgement(Verdict.USED, "it is mined")
    faults = [list(_faults(step, rules)) for step in steps]
    if all(faults):
        return Judgement(Verdict.VOID, _joined(faults[-1]))
    sound = [step for step, wrong in zip(steps, faults, strict=True) if not wrong]
    if doubts := [*_doubts(sound, rules), *_bad_steps(faults)]:
        return Judgement(Verdict.WEAK, _joined(doubts))
    if not all(step.coins_exist or step.is_signed for step in sound):
        return Judgement(Verdict.UNPROVEN, "not yet provable: the coins that it spends do not exist yet")
    if not all(step.is_signed or step.answer is Answer.ACCEPTED for step in sound):
        return Judgement(Verdict.UNPROVEN, "not yet provable: the node could not check its signatures")
    if not all(step.coins_exist for step in sound):
        return Judgement(Verdict.READY, "its signatures hold; it can be sent once its trigger is there")
    return Judgement(Verdict.READY, "the node would take it now" if _now(sound) else "its signatures hold")


def _now(steps: Sequence[StepFacts]) -> bool:
    return any(step.answer is Answer.ACCEPTED for step in steps)


def _faults(step: StepFacts, rules: Rules) -> Iterator[str]:
    if step.coins_spent:
        yield "a coin that it spends is spent by another transaction"
    if step.is_signed is False:
        yield "its signatures do not hold"
    if not step.pays_allowed:
        yield "it pays to a script that the configuration does not allow any more"
    if step.feerate is not None and step.feerate < rules.floor:
        yield f"it pays {_per_vb(step.feerate)}, and the node takes nothing below {_per_vb(rules.floor)} now"
    elif step.own_feerate is not None and step.own_feerate < rules.floor:
        yield from _package_faults(step, rules)
    elif step.answer and MEANING[step.answer].deed is Deed.SET_ASIDE and not step.coins_spent:
        yield f"the node refuses it: {step.answer_words}"
    elif step.answer is Answer.AGAINST_POLICY and not step.has_child:
        yield f"this node's relay rules refuse it: {step.answer_words}"


def _package_faults(step: StepFacts, rules: Rules) -> Iterator[str]:
    if not step.has_child:
        yield "alone it pays less than the node takes: add the child that pays for it with --child"
    elif step.version != _TRUC:
        yield (
            "alone it pays less than the node takes, and the node takes such a transaction with its child only if it "
            "is of version 3"
        )
    elif not rules.takes_truc_packages:
        yield (
            "this node does not take a transaction below its lowest fee together with a child that pays: set "
            "mempooltruc=enforce in its bitcoin.conf, or sign one that pays for itself"
        )


def _doubts(steps: Sequence[StepFacts], rules: Rules) -> Iterator[str]:
    highest = max((step.feerate for step in steps if step.feerate is not None), default=None)
    if rules.mining is not None and highest is not None and highest < rules.mining:
        yield f"its highest step pays {_per_vb(highest)}, and it takes {_per_vb(rules.mining)} to be mined within a day"


def _bad_steps(faults: Sequence[Sequence[str]]) -> Iterator[str]:
    """Cheap steps below today's floor are no reason to worry: that is what a ladder is for."""
    for place, wrong in enumerate(faults):
        if serious := [words for words in wrong if "takes nothing below" not in words]:
            yield f"step {place + 1} would not do: {_joined(serious)}"


def _joined(words: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(words))


def _per_vb(feerate: int) -> str:
    return f"{feerate / 1000:g} sat/vB"
