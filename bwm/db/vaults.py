"""Vaults and their triggers, as their owner registers, edits and removes them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bwm.chain.block import BlockRef
from bwm.db import backlog, broadcasts, raw, settings, watches
from bwm.db.schema import Backlog, Sighting, Trigger, Vault
from bwm.errors import UsageError
from bwm.severity import Severity
from bwm.watch.watch import Trigger as TriggerNoun
from bwm.watch.watch import Watch, What


@dataclass(frozen=True, slots=True)
class NewKey:
    """One key that a new trigger comes down to."""

    what: What
    key: bytes
    sats: int | None = None
    branch: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class NewTrigger:
    """A trigger to be: its kind, its name for people, and its keys."""

    kind: str
    key: str
    keys: tuple[NewKey, ...]


@dataclass(frozen=True, slots=True)
class NewVault:
    """A vault to be. Heights are of the node's active chain."""

    name: str
    triggers: tuple[NewTrigger, ...]
    severity: Severity = Severity.EMERGENCY
    final_depth: int = 6
    birthday: int | None = None  # read the chain from this height on
    registered: BlockRef | None = None  # the coins of its scripts are known as of this block
    tags: tuple[str, ...] = ()


def first_unread(birthday: int | None, registered_height: int | None) -> int:
    """The first block that a newcomer must be looked for in: its birthday, or the one after its registration."""
    after = 0 if registered_height is None else registered_height + 1
    return after if birthday is None else min(birthday, after)


def add_triggers(
    triggers: Iterable[NewTrigger], now: int, vault_id: int | None = None, guardian_id: int | None = None
) -> None:
    """Write the triggers of one owner and their keys. Call inside a transaction."""
    for new in triggers:
        row = Trigger.create(vault=vault_id, guardian=guardian_id, kind=new.kind, key=new.key, created_at=now)
        trigger = TriggerNoun(row.id, new.kind, new.key, None)
        watches.add(Watch(trigger, key.what, key.key, key.sats, key.branch, key.position) for key in new.keys)


def order_reading(
    first_height: int, known: BlockRef | None = None, vault_id: int | None = None, guardian_id: int | None = None
) -> None:
    """Have the daemon read the chain from ``first_height`` for one owner. Call inside a transaction.

    ``known``: the block as of which a newcomer was looked up; if a reorg takes it away before the daemon watches for
    the newcomer, the reading begins below it. A reading that is under way begins anew, from where it is if lower.
    """
    owned = (Backlog.vault == vault_id) & (Backlog.guardian == guardian_id)
    if under_way := Backlog.get_or_none(owned):
        first_height = min(first_height, under_way.next_height)
        if under_way.until_height is None:
            known = known or backlog.known_as_of(under_way)
        under_way.delete_instance()
    known_height, known_hash = (known.height, known.hash) if known else (None, None)
    Backlog.create(
        vault=vault_id,
        guardian=guardian_id,
        next_height=first_height,
        known_height=known_height,
        known_hash=known_hash,
    )


def refuse_taken(*names: str) -> None:
    """Raise UsageError when a vault of one of these names exists."""
    for part in raw.parts(names):
        taken = Vault.select(Vault.name).where(Vault.name.in_(part)).first()
        if taken:
            raise UsageError(
                f"There is a vault {taken.name!r} already; nothing was changed. Choose another name, or see "
                f"`bwm show-vault {taken.name}`."
            )


def find(name: str) -> Any:
    """The vault of this name. Raises UsageError when there is none."""
    vault = Vault.get_or_none(Vault.name == name)
    if vault is None:
        raise UsageError(f"There is no vault {name!r}. `bwm list-vaults` lists them.")
    return vault


def edit(
    name: str,
    severity: Severity | None = None,
    final_depth: int | None = None,
    tags: Sequence[str] | None = None,
    new_name: str | None = None,
) -> None:
    """Change what a vault is called or how it is judged. Call inside a transaction.

    Raises UsageError for another name while a response that was decided on is not over.
    """
    vault = find(name)
    if new_name and new_name != name:
        refuse_taken(new_name)
        broadcasts.refuse_decided(name)
        vault.name = new_name
    if severity:
        vault.severity = str(severity)
    if final_depth:
        vault.final_depth = final_depth
    if tags is not None:
        vault.tags = json.dumps(list(tags))
    vault.save()
    settings.next_generation()


def remove(name: str) -> None:
    """Stop watching for a vault. Its events and alerts stay in the journal. Call inside a transaction.

    Raises UsageError while a response of it is on its way.
    """
    vault = find(name)
    for response in vault.responses:
        broadcasts.refuse_live(response.id, f"{name}/{response.name}")
    vault.delete_instance()
    settings.next_generation(removed=True, stays=True)


def rescan(name: str, first_height: int) -> None:
    """Have the chain read again for a vault, from ``first_height`` on. Call inside a transaction."""
    vault = find(name)
    order_reading(first_height, vault_id=vault.id)
    settings.next_generation()


def described(names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Vaults as they are printed, by name: each trigger with the status and txid of its latest sighting."""
    query = Vault.select().order_by(Vault.name)
    rows = query if names is None else query.where(Vault.name.in_(list(names)))
    return [_described(vault) for vault in rows]


def _described(vault: Any) -> dict[str, Any]:
    sightings: Any = Sighting.select().join(Trigger).where(Trigger.vault == vault.id).order_by(Sighting.id)
    latest = {sighting.trigger_id: sighting for sighting in sightings}
    triggers = Trigger.select().where(Trigger.vault == vault.id).order_by(Trigger.id)
    return {
        "name": vault.name,
        "tags": json.loads(vault.tags),
        "severity": vault.severity,
        "birthday": vault.birthday,
        "final_depth": vault.final_depth,
        "covered_from": vault.covered_from,
        "triggers": [
            {
                "kind": trigger.kind,
                "key": trigger.key,
                "status": latest[trigger.id].status if trigger.id in latest else "armed",
                "txid": latest[trigger.id].txid if trigger.id in latest else None,
            }
            for trigger in triggers
        ],
    }


def names_after(name: str, at_most: int) -> list[str]:
    """Names of vaults in the order of their letters, behind ``name``."""
    rows = Vault.select(Vault.name).where(Vault.name > name).order_by(Vault.name).limit(at_most)
    return [str(row.name) for row in rows]


def is_taken(name: str) -> bool:
    """Whether there is a vault of this name."""
    return bool(Vault.select().where(Vault.name == name).exists())


def still_there(vault_ids: Iterable[int]) -> list[int]:
    """Those of some vaults that were not removed."""
    return [number for number in vault_ids if raw.rows("SELECT 1 FROM vault WHERE id = ?", number)]


def count() -> int:
    """How many vaults there are."""
    return int(Vault.select().count())


def count_triggers() -> int:
    """How many triggers there are, of vaults and guardians."""
    return int(Trigger.select().count())
