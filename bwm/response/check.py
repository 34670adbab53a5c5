"""What a transaction must be to be kept as a response: it moves the vault's coins to the owner, and nothing else. Pure.

Whoever holds a transaction can send it. So one that could ever pay a stranger is refused, whoever brings it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bwm.chain.outpoint import outpoint_key, outpoint_text, txid_text
from bwm.chain.script import ScriptType, is_unspendable, script_type
from bwm.chain.sighash import ANYONECANPAY, SIGHASH_ALL, flag_words, flags_shown, sighashes
from bwm.chain.tx import Input, Output, Tx

_ANCHOR_SATS = 1000  # an anchor that anybody may spend (BIP 433) may hold no more
_MAX_STANDARD_WEIGHT = 400_000  # MAX_STANDARD_TX_WEIGHT of Bitcoin Core's policy.h
_REPLACEABLE = 0xFFFFFFFD  # the highest nSequence that says so (BIP 125)
_TRUC = 3  # a version that may always be replaced (BIP 431)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a candidate is held against."""

    vault_coins: Collection[bytes]  # outpoint keys that the vault watches
    trigger_txids: Collection[str]  # watched, sighted for the vault, or shown to spend one of its coins
    allowed: Collection[bytes]  # scriptPubKeys that the operator allows responses to pay to
    coins: Mapping[bytes, Output] = field(default_factory=dict)  # what is known of the coins that it spends


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a candidate (``faults``: it is refused) and what its owner should know."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    flags: tuple[str, ...]  # of its signatures, each once


def examine(tx: Tx, ground: Ground) -> Findings:
    """A response by itself."""
    shown = [_flags(item, ground) for item in tx.inputs]
    faults = [
        *_input_faults(tx, ground),
        *_output_faults(tx.outputs, ground),
        *(fault for place, flags in enumerate(shown) for fault in _flag_faults(place, flags)),
        *_shape_faults(tx, ground),
    ]
    flags = tuple(dict.fromkeys(flag_words(flag) for flags in shown for flag in flags))
    return Findings(tuple(faults), tuple(_notes(tx, shown)), flags)


def examine_child(child: Tx, parent: Tx, ground: Ground) -> Findings:
    """A transaction that pays the fee for its parent, from an output of that and perhaps from a coin of its own."""
    shown = [_flags(item, ground) for item in child.inputs]
    faults = [*_output_faults(child.outputs, ground), *_shape_faults(child, ground)]
    if not any(txid_text(item.spends[:32]) == parent.txid for item in child.inputs):
        faults.append(f"the child does not spend an output of {parent.txid}")
    faults += [fault for place, flags in enumerate(shown) for fault in _flag_faults(place, flags)]
    spent = {item.spends for item in child.inputs}
    for vout, output in enumerate(parent.outputs):
        if output.sats == 0 and not is_unspendable(output.script) and outpoint_key(parent.txid, vout) not in spent:
            faults.append(f"the child leaves output {vout} of 0 sat unspent, and nodes then take neither of them")
    flags = tuple(dict.fromkeys(flag_words(flag) for flags in shown for flag in flags))
    return Findings(tuple(f"child: {fault}" for fault in faults), (), flags)


def ladder_faults(txs: Sequence[Tx]) -> list[str]:
    """What is wrong with several transactions as one ladder: of its steps no two may be mined."""
    faults = []
    if len({tx.txid for tx in txs}) < len(txs):
        faults.append("the same transaction is given twice")
    shared = set.intersection(*({item.spends for item in tx.inputs} for tx in txs))
    if not shared:
        faults.append("the transactions have no coin in common: two of them could be mined. Add them as two responses")
    return faults


def fee_of(tx: Tx, coins: Mapping[bytes, Output]) -> int | None:
    """Sat that it pays to the miner; None while a coin that it spends is not known."""
    if any(item.spends not in coins for item in tx.inputs):
        return None
    return sum(coins[item.spends].sats for item in tx.inputs) - sum(output.sats for output in tx.outputs)


def weight_of(tx: Tx) -> int:
    """Weight units (BIP 141), from the bytes and the witnesses."""
    if all(not item.witness for item in tx.inputs):
        return 4 * len(tx.raw)
    witness = 2 + sum(
        _size_of_count(len(item.witness)) + sum(_size_of_count(len(e)) + len(e) for e in item.witness)
        for item in tx.inputs
    )
    return 4 * (len(tx.raw) - witness) + witness


def vsize_of(tx: Tx) -> int:
    """Virtual bytes, rounded up."""
    return -(-weight_of(tx) // 4)


def _size_of_count(count: int) -> int:
    return 1 if count < 253 else 3 if count <= 0xFFFF else 5


def _flags(item: Input, ground: Ground) -> tuple[int, ...]:
    coin = ground.coins.get(item.spends)
    return (sighashes(item, coin.script) if coin else ()) or flags_shown(item)


def _input_faults(tx: Tx, ground: Ground) -> Iterator[str]:
    for place, item in enumerate(tx.inputs):
        is_ours = item.spends in ground.vault_coins or txid_text(item.spends[:32]) in ground.trigger_txids
        if not is_ours:
            yield (
                f"input {place} spends {outpoint_text(item.spends)}, which is neither a watched coin of the vault nor "
                "an output of one of its triggers. Watch it first; or show with --parent the transaction that makes it"
            )
        if not item.script_sig and not item.witness:
            yield f"input {place} is not signed: give the transaction finalised"


def _output_faults(outputs: Sequence[Output], ground: Ground) -> Iterator[str]:
    for place, output in enumerate(outputs):
        if output.script in ground.allowed or (output.sats == 0 and is_unspendable(output.script)):
            continue
        if script_type(output.script) is ScriptType.P2A:
            if output.sats > _ANCHOR_SATS:
                yield f"output {place} leaves {output.sats} sat in an anchor, which anybody can take"
            continue
        yield (
            f"output {place} pays {output.sats} sat to a script that is not allowed. If it is yours, add its address "
            "to allow under [responses] in the configuration"
        )


def _flag_faults(place: int, flags: tuple[int, ...]) -> Iterator[str]:
    for flag in flags:
        if flag & ~ANYONECANPAY != SIGHASH_ALL:
            yield (
                f"input {place} is signed with {flag_words(flag)}: whoever holds it could change where the money goes. "
                "Sign with ALL"
            )


def _shape_faults(tx: Tx, ground: Ground) -> Iterator[str]:
    if tx.is_coinbase:
        yield "it is the reward of a block"
    if weight_of(tx) > _MAX_STANDARD_WEIGHT:
        yield "it is larger than nodes relay"
    fee = fee_of(tx, ground.coins)
    if fee is not None and fee < 0:
        yield f"it pays out {-fee} sat more than its coins hold"


def _notes(tx: Tx, shown: Sequence[tuple[int, ...]]) -> Iterator[str]:
    if any(flag & ANYONECANPAY for flags in shown for flag in flags):
        yield "signed with ANYONECANPAY: others can add inputs to it, for a better fee or to hinder it"
    if any(not flags for flags in shown):
        yield "not every input shows a signature: who knows its coin may be able to spend that without you"
    if tx.version != _TRUC and all(item.sequence > _REPLACEABLE for item in tx.inputs):
        yield "not marked as replaceable: some nodes will not take a dearer one in its place"
