"""Responses: the transactions that their owner signed in advance, sealed, and how they stand."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bwm.chain.outpoint import outpoint_text, parse_outpoint
from bwm.chain.tx import Output
from bwm.clock import rfc3339
from bwm.db import broadcasts, raw, settings, vaults
from bwm.db.schema import Response, ResponseStep, Vault
from bwm.errors import UsageError
from bwm.response.deadline import Lock, in_words, parse_lock
from bwm.response.readiness import Judgement, Verdict

_HOLD = "hold"


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One transaction of a ladder, as stored. ``feerate`` in sat/kvB and ``fee`` in sat, with its child."""

    position: int
    txid: str
    feerate: int | None
    fee: int | None
    flags: str
    coins: Mapping[bytes, Output]
    child_txid: str | None
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as stored. ``name`` is the whole one: VAULT/NAME."""

    id: int
    name: str
    vault: str
    vault_id: int
    final_depth: int  # blocks
    armed: bool
    lock: Lock | None
    budget: int | None
    judgement: Judgement
    checked_at: int
    steps: tuple[StoredStep, ...]

    @property
    def value_sats(self) -> int | None:
        """Sat at risk: what its coins hold, as far as known."""
        coins = {key: coin.sats for step in self.steps for key, coin in step.coins.items()}
        return sum(coins.values()) or None


def every() -> list[StoredResponse]:
    """All of them, by vault and name."""
    return _read(Response.id.is_null(False))


def find(name: str) -> StoredResponse:
    """One by VAULT/NAME. Raises UsageError when there is none."""
    vault, slash, short = name.rpartition("/")
    found = _read((Vault.name == vault) & (Response.name == short)) if slash else []
    if not found:
        raise UsageError(f"There is no response {name!r}. `bwm list-responses` lists them, as VAULT/NAME.")
    return found[0]


def get(response_id: int) -> StoredResponse:
    """One by its number."""
    return _read(Response.id == response_id)[0]


def numbers() -> list[int]:
    """The numbers of all of them: asked every few seconds, when to read them whole would be for nothing."""
    return [number for (number,) in raw.rows("SELECT id FROM response")]


def is_kept(response_id: int) -> bool:
    """Whether it was not removed."""
    return bool(raw.rows("SELECT 1 FROM response WHERE id = ?", response_id))


def is_armed(name: str) -> bool | None:
    """Whether policies may send the response VAULT/NAME; None when there is none."""
    vault, _, short = name.rpartition("/")
    sql = "SELECT armed FROM response JOIN vault ON vault.id = vault_id WHERE vault.name = ? AND response.name = ?"
    found = raw.rows(sql, vault, short)
    return bool(found[0][0]) if found else None


def of_vault(vault: str) -> list[StoredResponse]:
    """Those of one vault."""
    return _read(Vault.name == vault)


def _read(wanted: Any) -> list[StoredResponse]:
    query: Any = Response.select(Response, Vault).join(Vault).where(wanted).order_by(Vault.name, Response.name)
    return [_stored(row) for row in query]


def _stored(row: Any) -> StoredResponse:
    steps = ResponseStep.select().where(ResponseStep.response == row.id).order_by(ResponseStep.position)
    return StoredResponse(
        id=row.id,
        name=f"{row.vault.name}/{row.name}",
        vault=row.vault.name,
        vault_id=row.vault.id,
        final_depth=row.vault.final_depth,
        armed=bool(row.armed),
        lock=parse_lock(row.lock) if row.lock else None,
        budget=row.budget,
        judgement=Judgement(Verdict(row.verdict), row.reason),
        checked_at=row.checked_at,
        steps=tuple(_step(step) for step in steps),
    )


def _step(row: Any) -> StoredStep:
    coins = {parse_outpoint(key): Output(sats, bytes.fromhex(script)) for key, sats, script in json.loads(row.coins)}
    return StoredStep(row.position, row.txid, row.feerate, row.fee, row.flags, coins, row.child_txid, bytes(row.sealed))


def _coins_json(coins: Mapping[bytes, Output]) -> str:
    return json.dumps([[outpoint_text(key), coin.sats, coin.script.hex()] for key, coin in coins.items()])


def add(
    vault: str,
    name: str,
    lock: Lock | None,
    budget: int | None,
    steps: Sequence[StoredStep],
    judgement: Judgement,
    now: int,
) -> StoredResponse:
    """Keep a response. Raises UsageError when there is one of this name. Call inside a transaction."""
    vault_id = vaults.find(vault).id
    refuse_taken(vault, name)
    row = Response.create(
        vault=vault_id,
        name=name,
        lock=str(lock) if lock else None,
        budget=budget,
        verdict=str(judgement.verdict),
        reason=judgement.reason,
        checked_at=now,
        created_at=now,
    )
    for step in steps:
        ResponseStep.create(
            response=row.id,
            position=step.position,
            txid=step.txid,
            feerate=step.feerate,
            fee=step.fee,
            flags=step.flags,
            coins=_coins_json(step.coins),
            child_txid=step.child_txid,
            sealed=step.sealed,
        )
    return get(row.id)


def refuse_taken(vault: str, name: str) -> None:
    """Raise UsageError when the vault has a response of this name."""
    query: Any = Response.select().join(Vault).where((Vault.name == vault) & (Response.name == name))
    if query.exists():
        raise UsageError(
            f"There is a response {vault}/{name} already; nothing was added. Choose another name, or remove the old "
            f"one with `bwm remove-response {vault}/{name}`."
        )


def put_judgement(response_id: int, judgement: Judgement, now: int) -> bool:
    """How it stands now. False when it was removed meanwhile. Call inside a transaction."""
    changed = Response.update(verdict=str(judgement.verdict), reason=judgement.reason, checked_at=now)
    return bool(changed.where(Response.id == response_id).execute())


def put_prices(response_id: int, steps: Iterable[StoredStep]) -> None:
    """What became known of the coins that the steps spend, and so of their fees. Call inside a transaction."""
    for step in steps:
        ResponseStep.update(feerate=step.feerate, fee=step.fee, coins=_coins_json(step.coins)).where(
            (ResponseStep.response == response_id) & (ResponseStep.position == step.position)
        ).execute()


def arm(response_id: int, *, armed: bool) -> bool:
    """Let policies send it, or no more. False when it was so before. Call inside a transaction."""
    changed = Response.update(armed=int(armed)).where((Response.id == response_id) & (Response.armed != int(armed)))
    return bool(changed.execute())


def remove(response: StoredResponse) -> None:
    """Forget one. Raises UsageError while it is on its way. Call inside a transaction."""
    broadcasts.refuse_live(response.id, response.name)
    Response.delete().where(Response.id == response.id).execute()


def is_held() -> bool:
    """Whether the operator has everything held: nothing is sent."""
    return settings.read(_HOLD) == "1"


def hold(*, on: bool) -> bool:
    """Hold everything, or no more. False when it was so before. Call inside a transaction."""
    if is_held() == on:
        return False
    settings.write(_HOLD, "1" if on else "0")
    return True


def described(responses: Iterable[StoredResponse]) -> list[dict[str, Any]]:
    """Responses as they are printed; never their transactions. ``feerate`` in sat/vB."""
    return [
        {
            "name": one.name,
            "vault": one.vault,
            "armed": one.armed,
            "verdict": str(one.judgement.verdict),
            "reason": one.judgement.reason,
            "checked_at": rfc3339(one.checked_at),
            "deadline": in_words(one.lock) if one.lock else None,
            "budget_sats": one.budget,
            "value_sats": one.value_sats,
            "steps": [
                {
                    "txid": step.txid,
                    "feerate": None if step.feerate is None else step.feerate / 1000,
                    "fee_sats": step.fee,
                    "sighash": step.flags.split(),
                    "child_txid": step.child_txid,
                }
                for step in one.steps
            ],
        }
        for one in responses
    ]
