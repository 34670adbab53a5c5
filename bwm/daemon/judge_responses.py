"""Responses held against the chain, the mempool and the node's rules of today."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bwm.chain.outpoint import txid_text
from bwm.chain.tx import Output
from bwm.daemon.open_response import Coins, OpenStep, look_up_coins, priced
from bwm.errors import NodeForbidden
from bwm.node.bitcoind import Bitcoind
from bwm.response.answers import Answer, read_answer
from bwm.response.check import Ground, examine, examine_child, fee_of, vsize_of
from bwm.response.readiness import Judgement, Rules, StepFacts, judge

_BLOCKS_OF_A_DAY = 144


def rules_of(node: Bitcoind) -> Rules:
    """What the node asks of transactions today."""
    try:
        mempool, mining = node.mempool_rules(), node.estimated_feerate(_BLOCKS_OF_A_DAY)
    except NodeForbidden:  # `bwm doctor` says which calls the node should allow
        return Rules(floor=0)
    return Rules(mempool.floor, mining, mempool.enforces_truc)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a ladder is held against besides the node."""

    allowed: Collection[bytes]  # scriptPubKeys
    existed: Collection[bytes]  # outpoint keys of coins that are in the chain, or were there and are spent
    mined: Collection[str] = ()  # txids of steps that are known to be mined


def judge_ladder(
    node: Bitcoind, steps: Sequence[OpenStep], around: Surroundings, rules: Rules
) -> tuple[Judgement, list[OpenStep]]:
    """The verdict, and the steps with what is known of their coins now."""
    facts, known = [], []
    for step in steps:
        coins = look_up_coins(node, step.txs, step.stored.coins)
        fresh = priced(step, coins.known)
        known.append(fresh)
        facts.append(_facts(node, fresh, coins, around))
    return judge(facts, rules), known


def _facts(node: Bitcoind, step: OpenStep, coins: Coins, around: Surroundings) -> StepFacts:
    inner = {tx.txid for tx in step.txs}
    wanted = [item.spends for tx in step.txs for item in tx.inputs if txid_text(item.spends[:32]) not in inner]
    exists = all(key in coins.present for key in wanted)
    answer, words = _answer(node, step, coins) if exists else (None, "")
    own_fee = fee_of(step.tx, coins.known)
    return StepFacts(
        feerate=step.stored.feerate,
        own_feerate=None if own_fee is None else own_fee * 1000 // vsize_of(step.tx),
        version=step.tx.version,
        has_child=step.child is not None,
        coins_exist=exists,
        coins_spent=any(key in around.existed and key not in coins.present for key in wanted),
        is_signed=is_signed(node, step, coins.known),
        answer=answer,
        answer_words=words,
        pays_allowed=_pays_allowed(step, around.allowed, coins.known),
        mined=step.stored.txid in around.mined,
    )


def _answer(node: Bitcoind, step: OpenStep, coins: Coins) -> tuple[Answer | None, str]:
    """What the mempool would say; not asked where its answer could only be about a spend that is there already, nor
    of a package, which it cannot test."""
    if step.child is not None or coins.spent_by:
        return None, ""
    [verdict] = node.test_mempool_accept([step.tx.raw])
    if verdict.allowed:
        return Answer.ACCEPTED, ""
    return read_answer(None, verdict.reason or ""), verdict.reason or ""


def is_signed(node: Bitcoind, step: OpenStep, coins: Mapping[bytes, Output]) -> bool | None:
    """Whether the node's own check of the scripts passes; None where coins are not known or it must not be asked."""
    for tx in step.txs:
        spent = {item.spends: coins[item.spends] for item in tx.inputs if item.spends in coins}
        if len(spent) < len(tx.inputs):
            return None
        try:
            if not node.is_signed(tx.raw, spent):
                return False
        except NodeForbidden:
            return None
    return True


def _pays_allowed(step: OpenStep, allowed: Collection[bytes], coins: Mapping[bytes, Output]) -> bool:
    ground = Ground({item.spends for item in step.tx.inputs}, (), allowed, coins)
    faults = examine(step.tx, ground).faults
    if step.child:
        faults += examine_child(step.child, step.tx, ground).faults
    return not any("not allowed" in fault for fault in faults)
