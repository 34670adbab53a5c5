"""The watch list: which keys belong to which triggers. Read with raw queries: it may be a million rows long."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from peewee import EXCLUDED, fn

from bwm.db import protection, raw
from bwm.db.schema import Guardian, Trigger, Vault, Watch
from bwm.plan import VaultFacts
from bwm.severity import Severity
from bwm.watch import watch as nouns


def by_keys(keys: Sequence[bytes]) -> list[nouns.Watch]:
    """The watches on any of these keys."""
    found: list[nouns.Watch] = []
    for part in raw.parts(keys):
        query = _watches().where(Watch.key.in_(part))
        found.extend(_watch(row) for row in query.dicts())
    return found


def of_triggers_after(trigger_id: int, limit: int) -> list[nouns.Watch]:
    """The watches of all triggers with a higher id, at most so many."""
    return [_watch(row) for row in _watches().where(Trigger.id > trigger_id).limit(limit).dicts()]


def known_coins(after: bytes, limit: int) -> list[nouns.Watch]:
    """Vaults' coins that existed when they were learned, in the order of their keys, behind ``after``."""
    wanted = (Watch.key > after) & (Watch.what == str(nouns.What.COIN)) & Watch.sats.is_null(False)
    query = _watches().where(wanted & Trigger.vault.is_null(False)).order_by(Watch.key).limit(limit)
    return [_watch(row) for row in query.dicts()]


def first_height() -> int | None:
    """The height from which on something is watched: the oldest birthday, or registration without one."""
    born = [row.covered_from if row.birthday is None else row.birthday for row in Vault.select()]
    born += [row.covered_from for row in Guardian.select()]
    return min((height for height in born if height is not None), default=None)


def last_registration() -> int | None:
    """The highest block as of which something was registered; None while nothing was."""
    sql = """
        SELECT MAX(created_height) FROM
        (SELECT created_height FROM vault UNION ALL SELECT created_height FROM guardian) AS owner
    """
    [[height]] = raw.rows(sql)
    return None if height is None else int(height)


def of_trigger(trigger_id: int, what: nouns.What) -> list[nouns.Watch]:
    """The watches of one sort that a trigger comes down to."""
    query = _watches().where((Watch.trigger == trigger_id) & (Watch.what == str(what)))
    return [_watch(row) for row in query.dicts()]


def any_of_vault(vault: str, what: nouns.What) -> nouns.Watch | None:
    """Some watch of this sort that a vault has."""
    found = _watches().where((Vault.name == vault) & (Watch.what == str(what))).limit(1)
    return next((_watch(row) for row in found.dicts()), None)


def are_there(triggers: Collection[nouns.Trigger]) -> bool:
    """Whether all of these are as they were read. Who was removed is not, even where another has got the number."""
    found = set()
    for part in raw.parts(trigger.id for trigger in triggers):
        sql = f"""
            SELECT trigger.id, trigger.kind, trigger.key, vault.name, guardian.name FROM trigger
            LEFT JOIN vault ON vault.id = vault_id LEFT JOIN guardian ON guardian.id = guardian_id
            WHERE trigger.id IN ({", ".join("?" * len(part))})
        """  # noqa: S608 (question marks)
        found |= {nouns.Trigger(*row) for row in raw.rows(sql, *part)}
    return found.issuperset(triggers)


def _watches() -> Any:
    return (
        Watch.select(
            Watch.key,
            Watch.what,
            Watch.sats,
            Watch.branch,
            Watch.position,
            Trigger.id.alias("trigger_id"),
            Trigger.kind,
            Trigger.key.alias("trigger_key"),
            Vault.name.alias("vault"),
            Guardian.name.alias("guardian"),
        )
        .join(Trigger)
        .join(Vault, "LEFT JOIN")
        .switch(Trigger)
        .join(Guardian, "LEFT JOIN")
    )


def _watch(row: dict[str, Any]) -> nouns.Watch:
    trigger = nouns.Trigger(row["trigger_id"], row["kind"], row["trigger_key"], row["vault"], row["guardian"])
    return nouns.Watch(trigger, nouns.What(row["what"]), bytes(row["key"]), row["sats"], row["branch"], row["position"])


def add(watches: Iterable[nouns.Watch]) -> None:
    """Watch more keys. One that is watched for its trigger stays, with its amount once that is known.

    Call inside a transaction.
    """
    rows = [
        (watch.key, str(watch.what), watch.trigger.id, watch.sats, watch.branch, watch.position) for watch in watches
    ]
    columns = [Watch.key, Watch.what, Watch.trigger, Watch.sats, Watch.branch, Watch.position]
    for start in range(0, len(rows), 100):
        Watch.insert_many(rows[start : start + 100], fields=columns).on_conflict(
            conflict_target=[Watch.key, Watch.what, Watch.trigger],
            update={Watch.sats: EXCLUDED.sats},
            where=Watch.sats.is_null() & EXCLUDED.sats.is_null(False),
        ).execute()


def vault_facts(names: Iterable[str]) -> dict[str, VaultFacts]:
    """What a plan must know of some vaults, by name."""
    query = _vaults(names)
    guardians = protection.guardians_of(query)
    return {
        vault.name: VaultFacts(
            Severity(vault.severity), vault.final_depth, vault.created_height, guardians.get(vault.id, ())
        )
        for vault in query
    }


def _vaults(names: Iterable[str]) -> list[Vault]:
    return [vault for part in raw.parts(names) for vault in Vault.select().where(Vault.name.in_(part))]


def tags_of(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The tags of some vaults, by name."""
    return {vault.name: tuple(tags(vault)) for vault in _vaults(names)}


def highest_positions(trigger_id: int) -> dict[int, int]:
    """Of a descriptor: the highest index that is watched, by branch."""
    query: Any = (
        Watch.select(Watch.branch, fn.MAX(Watch.position).alias("highest"))
        .where((Watch.trigger == trigger_id) & Watch.branch.is_null(False))
        .group_by(Watch.branch)
    )
    return {row["branch"]: row["highest"] for row in query.dicts()}


def tags(vault: Vault) -> list[str]:
    """A vault's tags."""
    return list(json.loads(vault.tags))
