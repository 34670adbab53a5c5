"""What one transaction says to one guardian: is it signed by the guardian, and which signal in it counts.

A transaction speaks for a guardian when it spends a coin whose scriptPubKey is the guardian's, byte for byte,
and the node has validated it. What its inputs show (keys, signatures) proves nothing by itself.

When something is wrong about the way it was signed or said, a lock counts and an unlock does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bwm.chain.script import ScriptType, script_type
from bwm.chain.sighash import ANYONECANPAY, commits, sighashes
from bwm.chain.tx import Tx
from bwm.guardian.grammar import (
    MAX_NONCE,
    OP_RETURN,
    Payload,
    apparent_intent,
    looks_like_guardian,
    parse_script,
)
from bwm.guardian.notice import Notice, notice

FINAL_SEQUENCE = 0xFFFFFFFF
HIGHEST_USUAL_NONCE = 65535

Verdict = Literal["authentic", "unresolved", "not-signed"]
Flag = Literal[
    "not-p2wpkh",
    "extra-input",
    "extra-output",
    "extra-op-return",
    "no-change",
    "value-on-op-return",
    "not-final-sequence",
    "locktime",
    "version",
    "anyonecanpay",
    "uncommitted",
    "conflict",
]


@dataclass(frozen=True, slots=True)
class Reading:
    """One transaction as one guardian reads it.

    ``verdict``: ``authentic`` spends a coin of the guardian; ``unresolved`` carries a payload and spends a coin
    whose script is not known yet (read it again later); ``not-signed`` does not concern the guardian's state.
    ``payloads``: the different valid payloads, locks first, then by nonce. ``lock`` and ``unlock``: the nonces
    that count; None when none does. ``flags``: how it differs from the canonical transaction; only
    ``uncommitted`` and ``conflict`` change what counts.
    """

    txid: str
    verdict: Verdict
    coins: tuple[bytes, ...] = ()  # outpoint keys of the guardian's coins that it spends
    payloads: tuple[Payload, ...] = ()
    lock: int | None = None
    unlock: int | None = None
    flags: tuple[Flag, ...] = ()
    warnings: tuple[Notice, ...] = ()


def read_signals(
    tx: Tx, guardian_script: bytes, spent_scripts: Mapping[bytes, bytes | None], *, vouched: bool = True
) -> Reading:
    """Read a transaction for one guardian.

    ``spent_scripts``: the scriptPubKey of each coin that it spends, by 36-byte outpoint key; None or missing
    when it could not be found. ``vouched``: False when the node has neither in its mempool nor in its chain what
    its feed showed; then no unlock counts.
    """
    places = _payloads(tx)
    payloads = tuple(sorted(places, key=lambda payload: (not payload.lock, payload.nonce)))
    ours = _guardian_inputs(tx, guardian_script, spent_scripts)
    if not ours:
        return _not_signed(tx, guardian_script, spent_scripts, payloads)

    uncommitted = bool(places) and not any(
        commits(tx.inputs[i], guardian_script, i, output)
        for outputs in places.values()
        for output in outputs
        for i in ours
    )
    conflict = len(payloads) > 1
    locks = [payload.nonce for payload in payloads if payload.lock and payload.nonce]
    unlocks = [payload.nonce for payload in payloads if not payload.lock and payload.nonce]
    return Reading(
        txid=tx.txid,
        verdict="authentic",
        coins=tuple(tx.inputs[i].spends for i in ours),
        payloads=payloads,
        lock=max(locks, default=None),
        unlock=unlocks[0] if unlocks and vouched and not conflict and not uncommitted else None,
        flags=_flags(tx, guardian_script, ours, uncommitted=uncommitted, conflict=conflict),
        warnings=_warnings(tx, payloads, uncommitted=uncommitted),
    )


def _payloads(tx: Tx) -> dict[Payload, list[int]]:
    """Every valid payload, with the outputs that carry it."""
    places: dict[Payload, list[int]] = {}
    for index, output in enumerate(tx.outputs):
        payload = parse_script(output.script)
        if isinstance(payload, Payload):
            places.setdefault(payload, []).append(index)
    return places


def _guardian_inputs(tx: Tx, guardian_script: bytes, spent_scripts: Mapping[bytes, bytes | None]) -> tuple[int, ...]:
    if tx.is_coinbase:
        return ()
    return tuple(i for i, spend in enumerate(tx.inputs) if spent_scripts.get(spend.spends) == guardian_script)


def _not_signed(
    tx: Tx,
    guardian_script: bytes,
    spent_scripts: Mapping[bytes, bytes | None],
    payloads: tuple[Payload, ...],
) -> Reading:
    if not payloads:
        return Reading(tx.txid, "not-signed")
    if not tx.is_coinbase and any(spent_scripts.get(spend.spends) is None for spend in tx.inputs):
        return Reading(tx.txid, "unresolved", payloads=payloads)
    if all(output.script != guardian_script for output in tx.outputs):
        return Reading(tx.txid, "not-signed", payloads=payloads)
    reason = f"a payment to the guardian says {_list(payloads)}, but the guardian did not sign it: no effect"
    return Reading(tx.txid, "not-signed", payloads=payloads, warnings=(notice("guardian.forged", reason, tx.txid),))


def _flags(
    tx: Tx, guardian_script: bytes, ours: tuple[int, ...], *, uncommitted: bool, conflict: bool
) -> tuple[Flag, ...]:
    op_returns = [output for output in tx.outputs if output.script[:1] == bytes((OP_RETURN,))]
    spends = [tx.inputs[i] for i in ours]
    used = [sighash for spend in spends for sighash in sighashes(spend, guardian_script)]
    found: dict[Flag, bool] = {
        "not-p2wpkh": script_type(guardian_script) != ScriptType.P2WPKH,
        "extra-input": len(tx.inputs) > 1,
        "extra-output": len(tx.outputs) - len(op_returns) > 1,
        "extra-op-return": len(op_returns) > 1,
        "no-change": all(output.script != guardian_script for output in tx.outputs),
        "value-on-op-return": any(output.sats for output in op_returns),
        "not-final-sequence": any(spend.sequence != FINAL_SEQUENCE for spend in spends),
        "locktime": tx.locktime != 0,
        "version": tx.version not in (1, 2),
        "anyonecanpay": any(sighash & ANYONECANPAY for sighash in used),
        "uncommitted": uncommitted,
        "conflict": conflict,
    }
    return tuple(flag for flag, present in found.items() if present)


def _warnings(tx: Tx, payloads: tuple[Payload, ...], *, uncommitted: bool) -> tuple[Notice, ...]:
    """What must be told of a transaction that spends a coin of the guardian, whatever the state is."""
    found = list(_rejected(tx))
    if not payloads:
        reason = "a coin of the guardian moved without a valid signal: a lock signed in advance on it is void"
        found.append(notice("guardian.moved_without_signal", reason, tx.txid))
    if len(payloads) > 1:
        reason = f"one transaction says {_list(payloads)}: only its highest lock counts; " + _ELSEWHERE
        found.append(notice("guardian.conflict", reason, tx.txid))
    if uncommitted:
        reason = (
            f"the guardian's signature does not bind the output that says {_list(payloads)}, so anyone may "
            f"have written it: a lock counts, an unlock does not; {_ELSEWHERE}"
        )
        found.append(notice("guardian.uncommitted", reason, tx.txid))
    for payload in payloads:
        found += _about_nonce(payload, tx.txid)
    return tuple(found)


def _rejected(tx: Tx) -> tuple[Notice, ...]:
    """One notice for numbers out of range, one for all else that was perhaps meant as a signal."""
    malformed: list[str] = []
    out_of_range: list[str] = []
    for index, output in enumerate(tx.outputs):
        parsed = parse_script(output.script)
        if isinstance(parsed, Payload) or not looks_like_guardian(output.script):
            continue
        words = f"output {index} (intent: {apparent_intent(output.script)}, {parsed.reason})"
        (out_of_range if parsed.reason == "out-of-range" else malformed).append(words)
    notices = []
    if malformed:
        reason = f"not a valid signal, no effect: {', '.join(malformed)}. Somebody may be trying to lock"
        notices.append(notice("guardian.malformed", reason, tx.txid))
    if out_of_range:
        reason = f"the nonce is above {MAX_NONCE}, no effect: {', '.join(out_of_range)}"
        notices.append(notice("guardian.out_of_range", reason, tx.txid))
    return tuple(notices)


def _about_nonce(payload: Payload, txid: str) -> tuple[Notice, ...]:
    notices = []
    if payload.nonce == 0:
        reason = f"{payload}: nonce 0 never takes effect"
        notices.append(notice("guardian.nonce_zero", reason, txid))
    if payload.nonce > HIGHEST_USUAL_NONCE:
        reason = f"{payload}: a nonce above {HIGHEST_USUAL_NONCE} is a mistake or nears the end of the numbers"
        notices.append(notice("guardian.high_nonce", reason, txid))
    if payload.nonce == MAX_NONCE:
        reason = f"{payload}: no higher nonce exists, so nothing can follow it. Change to another guardian"
        notices.append(notice("guardian.rotate", reason, txid))
    return tuple(notices)


_ELSEWHERE = "other wallets may show another state"


def _list(payloads: tuple[Payload, ...]) -> str:
    return " and ".join(str(payload) for payload in payloads)
