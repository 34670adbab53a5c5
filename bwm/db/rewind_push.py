"""What RewindBitcoin devices are to be told: kept as wishes with a time and a lease, made from what is seen now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bwm.chain.outpoint import txid_key
from bwm.db import journal, raw, settings, sightings
from bwm.db.rewind_notices import Notice, acknowledgement_of, incident_of, notice_of, put_acknowledgement
from bwm.db.schema import RewindDevice, RewindPush, RewindVault
from bwm.policy import rewind
from bwm.policy.rewind import Incident
from bwm.watch.sighting import AWAY

_READ_UP_TO = "rewind_read_up_to"  # the number of the last event that was looked at
_LEASE_S = 60

_AT_ONCE = 100
"""Vaults, or devices of them, that one transaction brings up to date: others want to write as well."""

_GONE = ", ".join(f"'{status}'" for status in AWAY)


@dataclass(frozen=True, slots=True)
class Claim:
    """One message that is ours to send until its lease lapses."""

    push_id: int
    device_id: int
    sealed: bytes  # the push token
    token_hash: str
    locale: str
    notice: Notice  # ``attempts`` counts this one
    tries: int  # that failed since the push service last took one

    def __repr__(self) -> str:
        return f"Claim({self.push_id})"


def any_change() -> bool:
    """Whether ``refresh`` has something to do."""
    if journal.last_seq() > int(settings.read(_READ_UP_TO) or 0):
        return True
    return bool(raw.rows("SELECT EXISTS (SELECT 1 FROM rewind_vault WHERE stale = 1)")[0][0])


def refresh(now: int) -> bool:
    """Bring up to date what devices must hear, of some vaults; whether others wait. Call inside a transaction.

    Vaults of few devices come first: anybody may have as many as he likes wait for a transaction of his own, and then
    neither their telling nor that of others may hold up a theft from somebody else.
    """
    _note_changes()
    sql = """
        SELECT id, (SELECT COUNT(*) FROM rewind_device WHERE rewind_vault_id = rewind_vault.id) AS devices
        FROM rewind_vault WHERE stale = 1 ORDER BY devices, id LIMIT ?
    """
    waiting, told = raw.rows(sql, _AT_ONCE + 1), 0
    for number, (vault_id, devices) in enumerate(waiting):
        if number == _AT_ONCE or told >= _AT_ONCE:
            return True
        _look(vault_id, now)
        raw.run("UPDATE rewind_vault SET stale = 0 WHERE id = ?", vault_id)
        told += devices
    return False


def _note_changes() -> None:
    """Mark those of which something happened since the last look."""
    read_up_to, last = int(settings.read(_READ_UP_TO) or 0), journal.last_seq()
    if last <= read_up_to:
        return
    sql = """
        UPDATE rewind_vault SET stale = 1 WHERE vault_id IN (
            SELECT trigger.vault_id FROM sighting
            JOIN trigger ON trigger.id = sighting.trigger_id AND trigger.key = sighting.txid
            WHERE sighting.txid IN (SELECT txid FROM event WHERE seq > ? AND seq <= ?)
        )
    """
    raw.run(sql, read_up_to, last)
    settings.write(_READ_UP_TO, str(last))


def _look(vault_id: int, now: int) -> None:
    row: Any = RewindVault.get_by_id(vault_id)
    sighted = _sighted(row)
    seen = [txid for txid, is_here in sighted.items() if is_here]
    before = incident_of(row)
    incident = rewind.look(before, is_seen=bool(seen), now=now, is_another=_is_another(vault_id, seen))
    if incident != before:
        RewindVault.update(incident=incident.number, gone_since=incident.gone_since).where(
            RewindVault.id == vault_id
        ).execute()
    known: dict[int, dict[str, Any]] = {}
    pushes: Any = RewindPush.select().join(RewindDevice).where(RewindDevice.rewind_vault == vault_id)
    for push in pushes:
        known.setdefault(push.device_id, {})[push.txid] = push
    for device in RewindDevice.select().where(RewindDevice.rewind_vault == vault_id):
        has_begun = incident.number != before.number
        _tell(device, known.get(device.id, {}), sighted, incident, now, has_begun=has_begun)


def _sighted(row: Any) -> dict[str, bool]:
    """The vault's triggers that were ever sighted, each with whether it is in the mempool or the chain now.

    With a commitment, only what spends that counts as being there.
    """
    sql = f"""
        SELECT sighting.txid, MAX(CASE WHEN sighting.status IN ({_GONE}) THEN 0 ELSE 1 END)
        FROM trigger JOIN sighting ON sighting.trigger_id = trigger.id
        WHERE trigger.vault_id = ? AND trigger.kind = 'txid' AND sighting.txid = trigger.key
        GROUP BY sighting.txid ORDER BY MIN(sighting.id)
    """  # noqa: S608 (words of ours)
    sighted = {txid: bool(is_here) for txid, is_here in raw.rows(sql, row.vault_id)}
    if row.commitment is None or not sighted:
        return sighted
    wanted, txs = txid_key(row.commitment), sightings.transactions(sighted)
    spends = {txid for txid, tx in txs.items() if any(item.spends[:32] == wanted for item in tx.inputs)}
    return {txid: is_here and txid in spends for txid, is_here in sighted.items()}


def _is_another(vault_id: int, seen: Sequence[str]) -> bool:
    """Whether one of those seen now is new, and spends nothing that those spend which devices know of."""
    sql = """
        SELECT DISTINCT txid FROM rewind_push JOIN rewind_device ON rewind_device.id = rewind_push.device_id
        WHERE rewind_vault_id = ?
    """
    known = {txid for (txid,) in raw.rows(sql, vault_id)}
    if known.isdisjoint(seen) or known.issuperset(seen):
        return False
    txs = sightings.transactions({*known, *seen})
    spends = {txid: {item.spends for item in tx.inputs} for txid, tx in txs.items()}
    before = set().union(*(spends.get(txid, ()) for txid in known))
    return any(before.isdisjoint(spends.get(txid, ())) for txid in seen if txid not in known)


def _tell(
    device: Any,
    known: Mapping[str, Any],
    sighted: Mapping[str, bool],
    incident: Incident,
    now: int,
    *,
    has_begun: bool,
) -> None:
    """``known``: what the device was to be told until now, by txid."""
    answered = acknowledgement_of(device)
    if has_begun:
        carried = rewind.carried_over(answered, incident, now)
        if carried != answered:
            put_acknowledgement(device.id, carried)
        answered = carried
    gone = [row.id for txid, row in known.items() if not sighted.get(txid, True)]
    for part in raw.parts(gone):
        RewindPush.delete().where(RewindPush.id.in_(part)).execute()
    due_at = None if device.retired_at is not None or rewind.is_silenced(answered, incident) else now
    for txid in (txid for txid, is_here in sighted.items() if is_here):
        if txid not in known:
            RewindPush.create(device=device.id, txid=txid, detected_at=now, due_at=due_at)
        elif due_at is None or (known[txid].due_at is None and known[txid].first_at is None):
            RewindPush.update(due_at=due_at).where(RewindPush.id == known[txid].id).execute()


def free_leases() -> None:
    """At the start, when nobody can be sending. Call inside a transaction."""
    RewindPush.update(lease_until=None).where(RewindPush.lease_until.is_null(False)).execute()


def next_due() -> int | None:
    """When the next message or receipt falls due (unix seconds); None when none does."""
    [[message], [receipt]] = (
        raw.rows("SELECT MIN(due_at) FROM rewind_push")[0],
        raw.rows("SELECT MIN(receipt_at) FROM rewind_push")[0],
    )
    return min((at for at in (message, receipt) if at is not None), default=None)


def claim(now: int, at_most: int) -> list[Claim]:
    """Take what is due, the first detected first. Call inside a transaction."""
    free = RewindPush.lease_until.is_null() | (RewindPush.lease_until < now) | (RewindPush.lease_until > now + _LEASE_S)
    rows: Any = (
        RewindPush.select(RewindPush, RewindDevice, RewindVault)
        .join(RewindDevice)
        .join(RewindVault)
        .where((RewindPush.due_at <= now) & free)
        .order_by(RewindPush.failures, RewindPush.due_at, RewindPush.id)
        .limit(at_most)
    )
    claims, so_far = [], {}
    for row in rows:
        RewindPush.update(lease_until=now + _LEASE_S).where(RewindPush.id == row.id).execute()
        if row.device_id not in so_far:
            so_far[row.device_id] = _accepted_by(row.device_id)
        so_far[row.device_id] += 1
        notice = notice_of(row, so_far[row.device_id])
        claims.append(
            Claim(
                row.id,
                row.device_id,
                bytes(row.device.token),
                row.device.token_hash,
                row.device.locale,
                notice,
                row.failures,
            )
        )
    return claims


def _accepted_by(device_id: int) -> int:
    [[count]] = raw.rows("SELECT COALESCE(SUM(accepted), 0) FROM rewind_push WHERE device_id = ?", device_id)
    return int(count)


def succeeded(claim: Claim, ticket: str | None, receipt_at: int | None, now: int) -> None:
    """The push service took it. What vanished or was acknowledged meanwhile stays so. Call inside a transaction."""
    row: Any = RewindPush.get_or_none(RewindPush.id == claim.push_id)
    if row is None:
        return
    first_at = row.first_at or now
    RewindPush.update(
        first_at=first_at,
        last_at=now,
        accepted=row.accepted + 1,
        failures=0,
        due_at=None if row.due_at is None else rewind.next_message(first_at, now),
        lease_until=None,
        last_error=None,
        ticket=ticket,
        receipt_at=receipt_at if ticket else None,
    ).where(RewindPush.id == claim.push_id).execute()


def failed(claim: Claim, again_at: int, words: str) -> None:
    """It was not taken, or nobody knows. Call inside a transaction."""
    RewindPush.update(failures=claim.tries + 1, lease_until=None, last_error=words[:200]).where(
        RewindPush.id == claim.push_id
    ).execute()
    RewindPush.update(due_at=again_at).where(
        (RewindPush.id == claim.push_id) & RewindPush.due_at.is_null(False)
    ).execute()


def retire(device_id: int, now: int) -> str | None:
    """The push service knows the device no more: nothing is sent there until it registers again.

    Returns the name of its vault, or None when that was known. Call inside a transaction.
    """
    device: Any = RewindDevice.get_or_none(RewindDevice.id == device_id)
    if device is None or device.retired_at is not None:
        return None
    RewindDevice.update(retired_at=now).where(RewindDevice.id == device_id).execute()
    RewindPush.update(due_at=None, lease_until=None, ticket=None, receipt_at=None).where(
        RewindPush.device == device_id
    ).execute()
    return str(device.rewind_vault.vault.name)


def remaining_devices(vault: str) -> int:
    """How many devices of a vault can still be told."""
    sql = """
        SELECT COUNT(*) FROM rewind_device JOIN rewind_vault ON rewind_vault.id = rewind_device.rewind_vault_id
        JOIN vault ON vault.id = rewind_vault.vault_id WHERE vault.name = ? AND retired_at IS NULL
    """
    return int(raw.rows(sql, vault)[0][0])


def due_receipts(now: int, at_most: int) -> dict[str, int]:
    """Devices by the tickets whose receipts are due."""
    rows: Any = RewindPush.select(RewindPush.ticket, RewindPush.device).where(RewindPush.receipt_at <= now)
    return dict(rows.order_by(RewindPush.receipt_at).limit(at_most).tuples())


def settle_receipts(tickets: Iterable[str]) -> None:
    """What became of these is known. Call inside a transaction."""
    RewindPush.update(ticket=None, receipt_at=None).where(RewindPush.ticket.in_(list(tickets))).execute()


def postpone_receipts(tickets: Iterable[str], to: int) -> None:
    """Ask for these later. Call inside a transaction."""
    RewindPush.update(receipt_at=to).where(RewindPush.ticket.in_(list(tickets))).execute()


def tell_again(tickets: Iterable[str], now: int) -> None:
    """The push service took these and could not bring them. Call inside a transaction."""
    RewindPush.update(due_at=now, failures=RewindPush.failures + 1).where(
        RewindPush.ticket.in_(list(tickets)) & RewindPush.due_at.is_null(False)
    ).execute()


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A vault of which the node was not asked yet what it knows already."""

    id: int  # of the wallet's row
    vault_id: int
    registrations: int  # so many, and not those that come while the node is asked


def unchecked(at_most: int) -> list[Unchecked]:
    """Some of them, the oldest first."""
    sql = "SELECT id, vault_id, unchecked FROM rewind_vault WHERE unchecked > 0 ORDER BY id LIMIT ?"
    return [Unchecked(*row) for row in raw.rows(sql, at_most)]


def unsighted_txids(vault_ids: Sequence[int]) -> dict[str, list[int]]:
    """The watched txids of some vaults that were never seen, each with the vaults that it belongs to."""
    found: dict[str, list[int]] = {}
    for part in raw.parts(vault_ids):
        sql = f"""
            SELECT key, vault_id FROM trigger
            WHERE vault_id IN ({", ".join("?" * len(part))}) AND kind = 'txid' AND NOT EXISTS (
                SELECT 1 FROM sighting WHERE sighting.trigger_id = trigger.id AND sighting.txid = trigger.key)
        """  # noqa: S608 (only marks)
        for txid, vault_id in raw.rows(sql, *part):
            found.setdefault(txid, []).append(vault_id)
    return found


def checked(asked: Iterable[Unchecked]) -> None:
    """The node was asked of these. Call inside a transaction."""
    sql = "UPDATE rewind_vault SET unchecked = unchecked - ? WHERE id = ?"
    raw.run_many(sql, [(one.registrations, one.id) for one in asked])
