"""From the files that an owner brings to a response that may be kept. Nothing is written here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bwm.chain.outpoint import outpoint_key, txid_text
from bwm.chain.script import ScriptType, script_type
from bwm.chain.tx import Output, Tx, parse_tx
from bwm.daemon.judge_responses import Surroundings, judge_ladder, rules_of
from bwm.daemon.open_response import OpenStep, look_up_coins, priced, seal_step
from bwm.db import sightings, vaults, watches
from bwm.db.responses import StoredStep
from bwm.db.schema import Trigger, Vault
from bwm.errors import Damaged, NodeRefused, UsageError
from bwm.node.bitcoind import Bitcoind
from bwm.response.check import Ground, examine, examine_child, ladder_faults
from bwm.response.deadline import Lock, locks_in, shortest
from bwm.response.readiness import Judgement, Verdict
from bwm.seal import Sealer
from bwm.watch.sighting import MINED, Status
from bwm.watch.watch import What

_LARGEST_FILE = 9_000_000  # characters: a transaction of the size of a block, in hexadecimal


@dataclass(frozen=True, slots=True)
class Given:
    """What a file holds: a transaction, and the coins that a PSBT names."""

    name: str
    tx: Tx = field(repr=False)
    coins: dict[bytes, Output]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A response ready to be written, and what its owner should know."""

    steps: tuple[StoredStep, ...]
    lock: Lock | None
    judgement: Judgement
    notes: tuple[str, ...]


def read_given(node: Bitcoind, name: str, text: str) -> Given:
    """A transaction in hexadecimal, or a PSBT in base64. Raises UsageError, which never repeats what the file holds."""
    text = "".join(text.split())
    if not text or len(text) > _LARGEST_FILE:
        raise UsageError(f"{name} is empty, or too large for a transaction; nothing was added.")
    coins: dict[bytes, Output] = {}
    try:
        if text.startswith("cHNidP"):  # what every PSBT begins with (BIP 174)
            raw, coins = node.finalize_psbt(text)
        else:
            raw = bytes.fromhex(text)
        return Given(name, parse_tx(raw), coins)
    except UsageError as error:
        raise UsageError(f"{name}: {error}; nothing was added.") from None
    except (ValueError, Damaged, NodeRefused):
        raise UsageError(
            f"{name} holds no transaction: give one finalised, in hexadecimal, or a PSBT in base64; nothing was added."
        ) from None


def vault_ground(vault: str, allowed: Iterable[bytes], parents: Sequence[Tx]) -> Ground:
    """What a response of this vault is held against. Raises UsageError when there is no vault of this name."""
    vault_id = vaults.find(vault).id
    coins = vault_coins(vault_id)
    txids = {row.key for row in Trigger.select().where((Trigger.vault == vault_id) & (Trigger.kind == "txid"))}
    txids |= {sighting.txid for sighting in sightings.of_vault(vault)}
    for parent in parents:
        if parent.txid not in txids and not any(item.spends in coins for item in parent.inputs):
            raise UsageError(
                f"The transaction given with --parent ({parent.txid}) is no trigger of vault {vault} and spends none "
                "of its coins; nothing was added."
            )
        txids.add(parent.txid)
    return Ground(coins, txids, frozenset(allowed))


def vault_coins(vault_id: int) -> set[bytes]:
    """The coins that a vault watches, by outpoint key."""
    triggers = Trigger.select(Trigger.id).where(Trigger.vault == vault_id)
    return {watch.key for row in triggers for watch in watches.of_trigger(row.id, What.COIN)}


def existed(vault: str, coins: Iterable[bytes]) -> set[bytes]:
    """Of some coins those that were in the chain when bwm learned of them: what is not there now, is spent.

    None of them when the vault was removed meanwhile.
    """
    row = Vault.get_or_none(Vault.name == vault)
    if row is None:
        return set()
    triggers = Trigger.select(Trigger.id).where(Trigger.vault == row.id)
    known = {w.key for t in triggers for w in watches.of_trigger(t.id, What.COIN) if w.sats is not None}
    mined = {
        sighting.txid
        for sighting in sightings.of_vault(vault)
        if sighting.status in MINED and sighting.status is not Status.CONFLICTED
    }
    return {key for key in coins if key in known or txid_text(key[:32]) in mined}


def prepare(
    node: Bitcoind,
    vault: str,
    given: Sequence[Given],
    children: Sequence[Given],
    parents: Sequence[Given],
    allowed: Sequence[bytes],
    lock: Lock | None,
    sealer: Sealer,
    network: str,
) -> Prepared:
    """Check a ladder against all that is known. Raises UsageError with everything that speaks against it."""
    if not allowed:
        raise UsageError(
            "The configuration does not say where responses may pay to. Add to it: [responses] with allow = [...], a "
            "list of your own addresses; nothing was added."
        )
    if children and len(children) != len(given):
        raise UsageError("Give as many --child as --tx, in the same order; nothing was added.")
    ground = vault_ground(vault, allowed, [parent.tx for parent in parents])
    named = _named_coins([*given, *children], parents)
    steps = [_step(node, one, named) for one in _pairs(given, children)]
    faults, notes, flags = [], [], []
    for one, step in zip(given, steps, strict=True):
        found = _examined(step, ground, named, node)
        faults += [f"{one.name}: {fault}" for fault in found[0]]
        notes += [note for note in found[1] if note not in notes]
        flags.append(" ".join(found[2]))
    faults += ladder_faults([step.tx for step in steps]) if len(steps) > 1 else []
    if faults:
        raise UsageError("\n  ".join(["Refused; nothing was added:", *faults]))
    around = Surroundings(ground.allowed, existed(vault, [item.spends for step in steps for item in step.tx.inputs]))
    judgement, known = judge_ladder(node, steps, around, rules_of(node))
    if judgement.verdict in (Verdict.VOID, Verdict.USED):
        raise UsageError(f"This would not work: {judgement.reason}. Nothing was added.")
    order = sorted(range(len(known)), key=lambda place: (known[place].stored.feerate or 0, place))
    sealed = [_sealed(known[place], position, flags[place], sealer, network) for position, place in enumerate(order)]
    return Prepared(tuple(sealed), lock or _lock_shown(steps, named), judgement, tuple(notes))


def _pairs(given: Sequence[Given], children: Sequence[Given]) -> list[tuple[Given, Given | None]]:
    without: list[Given | None] = [None] * len(given)
    return list(zip(given, children or without, strict=True))


def _named_coins(given: Sequence[Given], parents: Sequence[Given]) -> dict[bytes, Output]:
    named = {key: coin for one in given for key, coin in one.coins.items()}
    for parent in parents:
        named |= {outpoint_key(parent.tx.txid, vout): output for vout, output in enumerate(parent.tx.outputs)}
    return named


def _step(node: Bitcoind, pair: tuple[Given, Given | None], named: dict[bytes, Output]) -> OpenStep:
    one, child = pair
    stored = StoredStep(0, one.tx.txid, None, None, "", {}, child.tx.txid if child else None, b"")
    step = OpenStep(stored, one.tx, child.tx if child else None)
    return priced(step, look_up_coins(node, step.txs, named).known)


def _examined(
    step: OpenStep, ground: Ground, named: dict[bytes, Output], node: Bitcoind
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    coins = look_up_coins(node, step.txs, named).known
    held = Ground(ground.vault_coins, ground.trigger_txids, ground.allowed, coins)
    found = examine(step.tx, held)
    if step.child is None:
        return found.faults, found.notes, found.flags
    of_child = examine_child(step.child, step.tx, held)
    return (
        found.faults + of_child.faults,
        found.notes + of_child.notes,
        tuple(dict.fromkeys(found.flags + of_child.flags)),
    )


def _sealed(step: OpenStep, position: int, flags: str, sealer: Sealer, network: str) -> StoredStep:
    stored = step.stored
    child = step.child.raw if step.child else None
    sealed = seal_step(sealer, network, step.tx.raw, child, stored.txid)
    return StoredStep(position, stored.txid, stored.feerate, stored.fee, flags, stored.coins, stored.child_txid, sealed)


def _lock_shown(steps: Sequence[OpenStep], named: dict[bytes, Output]) -> Lock | None:
    """The shortest lock in the scripts that the response shows: the thief's path is in them too."""
    shown = []
    for step in steps:
        for item in step.tx.inputs:
            coin = named.get(item.spends) or step.stored.coins.get(item.spends)
            if coin and script_type(coin.script) is ScriptType.P2WSH and item.witness:
                shown += list(locks_in(item.witness[-1]))
    return shortest(shown)
