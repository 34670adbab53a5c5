"""Which guardians protect which vaults: by name, or by a tag that both have."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bwm.db.schema import Guardian, Protection, Vault
from bwm.errors import UsageError


def protect(guardian_id: int, vaults: Iterable[str], tags: Sequence[str]) -> None:
    """From now on a guardian protects these vaults and tags, and no others. Call inside a transaction.

    Raises UsageError for a vault that there is not.
    """
    Protection.delete().where(Protection.guardian == guardian_id).execute()
    for name in dict.fromkeys(vaults):
        vault = Vault.get_or_none(Vault.name == name)
        if vault is None:
            raise UsageError(f"There is no vault {name!r}. `bwm list-vaults` lists them.")
        Protection.create(guardian=guardian_id, vault=vault.id)
    Guardian.update(tags=json.dumps(list(tags))).where(Guardian.id == guardian_id).execute()


def of(guardian: Any) -> tuple[list[str], list[str]]:
    """The names of the vaults, and the tags, that a row of the guardian table protects as its owner said."""
    rows: Any = Protection.select(Protection, Vault).join(Vault).where(Protection.guardian == guardian.id)
    return sorted(row.vault.name for row in rows), json.loads(guardian.tags)


def guardians_of(vaults: Iterable[Any]) -> Mapping[int, tuple[str, ...]]:
    """The names of the guardians that protect each of these rows of the vault table, by the vault's id."""
    guardians = list(Guardian.select().order_by(Guardian.name))
    if not guardians:
        return {}
    by_name = set(Protection.select(Protection.guardian, Protection.vault).tuples())
    return {
        vault.id: tuple(
            guardian.name
            for guardian in guardians
            if (guardian.id, vault.id) in by_name or _share_a_tag(guardian, vault)
        )
        for vault in vaults
    }


def vaults_of(guardian_name: str) -> list[str]:
    """The names of the vaults that a guardian protects, by name or by tag."""
    vaults = list(Vault.select().order_by(Vault.name)) if Guardian.select().exists() else []
    guardians = guardians_of(vaults)
    return [vault.name for vault in vaults if guardian_name in guardians[vault.id]]


def _share_a_tag(guardian: Any, vault: Any) -> bool:
    return not set(json.loads(guardian.tags)).isdisjoint(json.loads(vault.tags))


def states_of(vault_name: str) -> tuple[str, ...]:
    """The lock states of the guardians that protect a vault."""
    rows = list(Vault.select().where(Vault.name == vault_name))
    names = [name for found in guardians_of(rows).values() for name in found]
    return tuple(guardian.state for guardian in Guardian.select().where(Guardian.name.in_(names))) if names else ()
