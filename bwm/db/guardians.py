"""Guardians, their signals, and the lock state that these add up to."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from peewee import fn

from bwm.chain.block import BlockRef
from bwm.clock import rfc3339
from bwm.db import raw, settings, vaults
from bwm.db.schema import Guardian, Sighting, Signal, Trigger, Vault, Watch
from bwm.errors import UsageError
from bwm.guardian.grammar import Payload
from bwm.guardian.state import GuardianState, PendingUnlock
from bwm.guardian.state import Signal as SignalNoun
from bwm.plan_guardian import GuardianChange, GuardianFacts
from bwm.watch.watch import Trigger as TriggerNoun
from bwm.watch.watch import What


def all_facts(now: int) -> list[GuardianFacts]:
    """Every guardian with its signals, as of ``now`` (unix seconds)."""
    return _facts(list(Guardian.select().order_by(Guardian.id)), now)


def facts(name: str, now: int) -> GuardianFacts:
    """One guardian. Raises UsageError when there is none of this name."""
    return _facts([find(name)], now)[0]


def unmined_signals() -> set[str]:
    """The txids of signals that stand in the mempool, of guardians for whom every block has been read."""
    sql = """
        SELECT DISTINCT txid FROM signal WHERE height IS NULL AND vanished = 0
        AND guardian_id NOT IN (SELECT guardian_id FROM backlog WHERE guardian_id IS NOT NULL)
    """
    return {txid for (txid,) in raw.rows(sql)}


def displace(known: BlockRef, height: int) -> None:
    """Signals above ``height`` of newcomers that were looked up as of ``known``: their blocks left the chain since.

    Where they stand now will be read. Call inside a transaction, before the readings are taken up.
    """
    sql = """
        UPDATE signal SET height = NULL, confirmed_at = NULL WHERE height > ? AND guardian_id IN (
            SELECT guardian_id FROM backlog
            WHERE guardian_id IS NOT NULL AND until_height IS NULL AND known_hash = ? AND known_height = ?
        )
    """
    raw.run(sql, height, known.hash, known.height)


def find(name: str) -> Any:
    """The row of one guardian. Raises UsageError when there is none of this name."""
    row = Guardian.get_or_none(Guardian.name == name)
    if row is None:
        raise UsageError(f"There is no guardian {name!r}. `bwm list-guardians` lists them.")
    return row


def _facts(rows: list[Any], now: int) -> list[GuardianFacts]:
    """Asked for all of them at once, because it is asked with every transaction that touches anything."""
    ids = [row.id for row in rows]
    signals: dict[int, list[SignalNoun]] = {}
    stored: Any = Signal.select().where(Signal.guardian.in_(ids)).order_by(Signal.id)
    for signal in stored if ids else ():
        signals.setdefault(signal.guardian_id, []).append(_signal(signal))
    lately = _sighted_since(ids, now - 3600) if ids else {}
    return [
        GuardianFacts(
            name=row.name,
            address=row.address,
            script=bytes(row.script),
            state=_state(row),
            signals=tuple(signals.get(row.id, ())),
            unlock_confirmations=row.unlock_confirmations,
            unlock_delay_s=row.unlock_delay_s,
            lately=lately.get(row.id, 0),
        )
        for row in rows
    ]


def _state(row: Any) -> GuardianState:
    return GuardianState(
        state=row.state,
        nonce=row.nonce,
        pending=tuple(PendingUnlock(**unlock) for unlock in json.loads(row.pending)),
        since=row.since,
        place=row.place,
        txid=row.txid,
        reason=row.reason,
    )


def _sighted_since(ids: list[int], at: int) -> dict[int, int]:
    """How many transactions were sighted for these guardians from ``at`` on (unix seconds), by the guardian's id."""
    query: Any = (
        Sighting.select(Trigger.guardian, fn.COUNT(Sighting.id))
        .join(Trigger)
        .where(Trigger.guardian.in_(ids) & (Sighting.first_seen_at >= at))
        .group_by(Trigger.guardian)
    )
    return dict(query.tuples())


def _signal(row: Any) -> SignalNoun:
    return SignalNoun(
        txid=row.txid,
        payload=Payload(bool(row.is_lock), row.nonce),
        counted=bool(row.counted),
        first_seen_at=row.first_seen_at,
        height=row.height,
        confirmed_at=row.confirmed_at,
        vanished=bool(row.vanished),
        final_at=row.final_at,
    )


def put(changes: Iterable[GuardianChange]) -> None:
    """Write states and signals. Call inside a transaction."""
    for change in changes:
        row = find(change.name)
        state = change.state
        row.state, row.nonce, row.since = state.state, state.nonce, state.since
        row.place, row.txid, row.reason = state.place, state.txid, state.reason
        row.pending = json.dumps([asdict(unlock) for unlock in state.pending])
        row.save()
        for signal in change.signals:
            _put_signal(row.id, signal)


def _put_signal(guardian_id: int, signal: SignalNoun) -> None:
    moving = {
        "counted": int(signal.counted),
        "height": signal.height,
        "confirmed_at": signal.confirmed_at,
        "vanished": int(signal.vanished),
        "final_at": signal.final_at,
    }
    Signal.insert(
        guardian=guardian_id,
        txid=signal.txid,
        is_lock=int(signal.payload.lock),
        nonce=signal.payload.nonce,
        first_seen_at=signal.first_seen_at,
        **moving,
    ).on_conflict(conflict_target=[Signal.guardian, Signal.txid, Signal.is_lock, Signal.nonce], update=moving).execute()


@dataclass(frozen=True, slots=True)
class NewGuardian:
    """A guardian to be."""

    name: str
    address: str
    script: bytes
    trigger: vaults.NewTrigger
    unlock_confirmations: int  # blocks
    unlock_delay_s: int
    state: GuardianState
    signals: tuple[SignalNoun, ...]
    registered: BlockRef  # its coins and signals are known as of this block
    read_from: int | None = None  # a height from which the daemon is to read the chain again


Sees = Callable[[str], bool]
"""Whether a vault or guardian of this name is known to whoever asks."""


def everything(name: str) -> bool:
    """What the operator sees."""
    return True


def add(new: NewGuardian, now: int, sees: Sees = everything) -> int:
    """Write a new guardian; the id of its row. Raises UsageError when its name is taken, or its script by a guardian
    or vault that is seen: what others watch hinders nobody, and nobody learns of it.

    Call inside a transaction.
    """
    refuse_taken(new.name, new.script, sees)
    if any(sees(name) for name in _vaults_of_script(new.script)):
        raise UsageError(f"{new.address} belongs to a vault, so it cannot be a guardian; nothing was added.")
    row = Guardian.create(
        name=new.name,
        address=new.address,
        script=new.script,
        unlock_confirmations=new.unlock_confirmations,
        unlock_delay_s=new.unlock_delay_s,
        state="uninstantiated",
        reason="",
        created_at=now,
        created_height=new.registered.height,
        covered_from=new.registered.height,
    )
    put([GuardianChange(new.name, new.state, new.signals)])
    vaults.add_triggers([new.trigger], now, guardian_id=row.id)
    first_height = vaults.first_unread(new.read_from, new.registered.height)
    vaults.order_reading(first_height, new.registered, guardian_id=row.id)
    settings.next_generation()
    return int(row.id)


def is_taken(name: str) -> bool:
    """Whether a guardian has this name."""
    return bool(Guardian.select().where(Guardian.name == name).exists())


def refuse_taken(name: str, script: bytes, sees: Sees = everything) -> None:
    """Raise UsageError when a guardian has this name, or one that is seen this scriptPubKey."""
    for known in Guardian.select().where((Guardian.name == name) | (Guardian.script == script)):
        if known.name == name or sees(known.name):
            raise UsageError(
                f"There is a guardian {known.name!r} of this name or with this address already; nothing was added. To "
                f"replace it, remove it first: bwm remove-guardian {known.name!r}"
            )


def remove(name: str) -> None:
    """Stop watching a guardian. Its events stay in the journal. Call inside a transaction."""
    find(name).delete_instance()
    settings.next_generation(removed=True)


def coins(name: str) -> list[bytes]:
    """The outpoints of every coin that the guardian is known to have had."""
    query = (
        Watch.select(Watch.key)
        .join(Trigger)
        .join(Guardian)
        .where((Guardian.name == name) & (Watch.what == str(What.COIN)))
    )
    return [bytes(row.key) for row in query]


def triggers() -> dict[bytes, list[TriggerNoun]]:
    """The triggers of guardians by their scriptPubKey: one of each owner that watches it."""
    rows: Any = Trigger.select(Trigger, Guardian).join(Guardian).order_by(Trigger.id)
    found: dict[bytes, list[TriggerNoun]] = {}
    for row in rows:
        trigger = TriggerNoun(row.id, row.kind, row.key, None, row.guardian.name)
        found.setdefault(bytes(row.guardian.script), []).append(trigger)
    return found


def _vaults_of_script(script: bytes) -> list[str]:
    """The names of the vaults that watch this script: it cannot be their owner's guardian."""
    query: Any = Watch.select(Vault.name).join(Trigger).join(Vault)
    return [name for (name,) in query.where((Watch.key == script) & (Watch.what == str(What.SCRIPT))).tuples()]


def described(now: int, name: str | None = None) -> list[dict[str, Any]]:
    """Guardians as they are printed, by name; all of them or one."""
    known = [facts(name, now)] if name else sorted(all_facts(now), key=lambda guardian: guardian.name)
    return [_described(guardian) for guardian in known]


def _described(guardian: GuardianFacts) -> dict[str, Any]:
    state = guardian.state
    unlock = state.pending_unlock
    return {
        "name": guardian.name,
        "address": guardian.address,
        "state": state.state,
        "nonce": state.nonce,
        "pending_unlock": {"nonce": unlock.nonce, "confirmations": unlock.confirmations} if unlock else None,
        "since": None if state.since is None else rfc3339(state.since),
        "reason": state.reason,
    }
