"""One step of a ladder handed to the node, after the node was asked what it would say to it."""

from dataclasses import dataclass

from bwm.chain.script import is_unspendable
from bwm.daemon.open_response import OpenStep
from bwm.errors import NodeRefused
from bwm.node.bitcoind import Bitcoind
from bwm.response.answers import MEANING, Answer, Deed, read_answer

_MARGIN = 1000  # sat/kvB that rounding may add to a feerate


@dataclass(frozen=True, slots=True)
class Said:
    """What the node answered, and its own words."""

    answer: Answer
    words: str


def send(node: Bitcoind, step: OpenStep, budget_sats: int | None) -> Said:
    """Test, then send; never what the node says pays more than the budget. Raises NodeDown when there is no answer."""
    fee = step.stored.fee
    if budget_sats is not None and fee is not None and fee > budget_sats:
        return _over(fee, budget_sats)
    if step.child is None:
        return _send_one(node, step, budget_sats)
    if budget_sats is not None and fee is None:  # the node would take it without a word about its fee
        said = try_out(node, step)
        return said if MEANING[said.answer].deed is Deed.LOOK else _over(None, budget_sats)
    return _send_package(node, step)


def _over(fee_sats: int | None, budget_sats: int) -> Said:
    pays = "it is not known what it pays" if fee_sats is None else f"it pays {fee_sats} sat"
    return Said(Answer.OVER_LIMIT, f"{pays}, and the budget is {budget_sats} sat")


def try_out(node: Bitcoind, step: OpenStep) -> Said:
    """What the node would say now; nothing is sent. Of a package it can say so of the parent alone."""
    [verdict] = node.test_mempool_accept([step.tx.raw])
    if verdict.allowed:
        return Said(Answer.ACCEPTED, f"it would be, with a fee of {verdict.fee_sats} sat")
    return Said(read_answer(None, verdict.reason or ""), verdict.reason or "")


def _send_one(node: Bitcoind, step: OpenStep, budget_sats: int | None) -> Said:
    [verdict] = node.test_mempool_accept([step.tx.raw])
    if not verdict.allowed:
        answer = read_answer(None, verdict.reason or "")
        if answer is not Answer.ACCEPTED:  # there already: it is sent again, so that peers that forgot it have it
            return Said(answer, verdict.reason or "")
    elif budget_sats is not None and (verdict.fee_sats is None or verdict.fee_sats > budget_sats):
        return _over(verdict.fee_sats, budget_sats)
    return hand_over(node, step)


def hand_over(node: Bitcoind, step: OpenStep) -> Said:
    """Send without asking first: what may be paid was looked at before. Raises NodeDown when there is no answer."""
    if step.child:
        return _send_package(node, step)
    try:
        node.send_raw_transaction(step.tx.raw, _limit(step), _burnt(step))
    except NodeRefused as error:
        return Said(read_answer(error.code, error.words), error.words)
    return Said(Answer.ACCEPTED, "")


def _send_package(node: Bitcoind, step: OpenStep) -> Said:
    """The node tests a package by taking it: all of it, or nothing."""
    assert step.child
    try:
        verdict = node.submit_package(step.tx.raw, step.child.raw, 0, _burnt(step))
    except NodeRefused as error:
        return Said(read_answer(error.code, error.words), error.words)
    if verdict.accepted:
        return Said(Answer.ACCEPTED, "")
    return Said(read_answer(None, verdict.reason or ""), verdict.reason or "")


def _limit(step: OpenStep) -> int:
    """In sat/kvB; 0, for none, where the fee is not known. Without it the node refuses what a day of need may ask."""
    return 0 if step.stored.feerate is None else step.stored.feerate + _MARGIN


def _burnt(step: OpenStep) -> int:
    return sum(output.sats for tx in step.txs for output in tx.outputs if is_unspendable(output.script))
