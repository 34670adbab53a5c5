"""What a RewindBitcoin wallet may ask for, looked at before anything is written."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import Scope

from bwm.api.bodies import is_sound, whole
from bwm.api.limits import Hold
from bwm.api.problems import Problem
from bwm.chain.address import address_of_script
from bwm.chain.network import NETWORKS
from bwm.chain.outpoint import parse_txid
from bwm.chain.tx import Tx, parse_tx
from bwm.config_api import ApiConfig
from bwm.db import rewind
from bwm.db.rewind import Device, Registration
from bwm.errors import Damaged, UsageError

LONGEST = {
    "pushToken": 512,
    "walletUUID": 256,
    "walletName": 512,
    "watchtowerId": 1024,
    "vaultId": 256,
    "locale": 64,
}
"""Bytes. All of them together with the rest of a message must fit the 4096 that Expo takes."""

_VAULTS = 2000  # of one request
_TXIDS = 2000  # of one vault; a wallet of many fee rates has 80

_OF_CHAIN = {"bitcoin": "main", "testnet": "test", "tape": "regtest", "regtest": "regtest"}
"""How addresses of the wallet's networks are written."""


class Gate(Protocol):
    """What the routes ask of the server that they are part of."""

    def room(self, scope: Scope) -> AbstractContextManager[Hold]:
        """For the body of a request, until it is answered."""

    def weigh(self, scope: Scope, size: int) -> None:
        """Raise Problem 429 when the caller sends too much; ``size``: bytes of the body."""

    def admit(self, scope: Scope, triggers: int) -> None:
        """Raise Problem 429 when the caller has had so many transactions watched that he must wait."""

    def check_commitment(self, network: str, one: "Checked") -> None:
        """Raise Problem when the commitment is not one. Call inside a transaction."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One vault of a request."""

    registration: Registration
    commitment: Tx | None = None


def required(body: dict[str, Any], *names: str) -> None:
    """Raise Problem 400 for a field that is not there, or as good as not there for a wallet's language."""
    for name in names:
        if body.get(name) in (None, "", 0, False):
            raise Problem(400, f"{name} is missing.")


def texts(body: dict[str, Any], *names: str) -> list[str]:
    """The texts of fields that are there. Raises Problem 400 for what is no sound text."""
    return [_text(body[name], name) for name in names]


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Problem(400, f"{name} must be a text.")
    if not is_sound(value, LONGEST[name]):
        raise Problem(400, f"{name} is too long, or has characters that do not belong into it.")
    return value


def device_of(body: dict[str, Any], seal: Callable[[str, str], bytes]) -> Device:
    """Who registers. Raises Problem 400. ``seal`` seals a text as what it is."""
    locale = body.get("locale")
    locale = "en" if locale is None else _text(locale, "locale")
    token, uuid, name, watchtower = texts(body, "pushToken", "walletUUID", "walletName", "watchtowerId")
    return Device(token, seal(token, rewind.place_of(rewind.hash_of(token))), uuid, name, watchtower, locale)


def vaults_of(items: Sequence[Any], *, with_commitments: bool) -> list[Checked]:
    """What is to be watched. Raises Problem 400 or 403 for the first vault that cannot be."""
    if len(items) > _VAULTS:
        raise Problem(413, f"One request may have {_VAULTS:,} vaults and no more.")
    return [_vault(item, with_commitments) for item in items]


def _vault(item: object, with_commitments: bool) -> Checked:
    if not isinstance(item, dict) or not item.get("vaultId") or not isinstance(item.get("triggerTxIds"), list):
        raise Problem(400, "Each vault needs vaultId and the list triggerTxIds.")
    number = whole(item.get("vaultNumber"))
    if number is None or number < 0:
        raise Problem(400, "vaultNumber must be a whole number from 0.")
    wallet_id = _text(item["vaultId"], "vaultId")
    txids = tuple(dict.fromkeys(_txid(txid) for txid in item["triggerTxIds"]))
    if len(txids) > _TXIDS:
        raise Problem(400, f"A vault may have {_TXIDS:,} triggerTxIds and no more.")
    if not with_commitments:
        return Checked(Registration(wallet_id, number, txids))
    commitment = _commitment(item.get("commitment"))
    return Checked(Registration(wallet_id, number, txids, commitment.txid), commitment)


def _txid(value: object) -> str:
    try:
        if isinstance(value, str):
            return parse_txid(value)
    except UsageError:
        pass
    raise Problem(400, "Each of triggerTxIds must be a txid: 64 hexadecimal digits.")


def _commitment(value: object) -> Tx:
    if not isinstance(value, str) or not value:
        raise refused("A commitment is needed.")
    try:
        return parse_tx(bytes.fromhex(value))
    except (ValueError, Damaged):
        raise Problem(400, "The commitment is no transaction.") from None


def refused(words: str) -> Problem:
    """A commitment that is not accepted."""
    return Problem(403, words, message=words)


def check_commitment(config: ApiConfig, network: str, one: Checked) -> None:
    """Whether a vault's commitment pays an address that may be served. Raises Problem. Call inside a transaction."""
    assert one.commitment is not None
    owner = rewind.commitment_owner(network, one.commitment.txid)
    if owner == one.registration.wallet_id:
        return
    if owner is not None:
        raise refused("The commitment is that of another vault.")
    chain = NETWORKS[_OF_CHAIN[network]]
    addresses = [address for out in one.commitment.outputs if (address := address_of_script(out.script, chain))]
    if not addresses:
        raise refused("The commitment pays to no address.")
    if not _any_served(config, network, addresses):
        raise refused("The commitment pays to no address that is served here.")


def _any_served(config: ApiConfig, network: str, addresses: Sequence[str]) -> bool:
    """Whether one of them is in the database of addresses. It is another program's, and only read."""
    name = "regtest" if network == "tape" else network
    assert config.addresses is not None
    path = config.addresses / f"{name}.sqlite"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as database:
            marks = ", ".join("?" * len(addresses))
            sql = f"SELECT 1 FROM addresses WHERE address IN ({marks}) LIMIT 1"  # noqa: S608 (only marks)
            return database.execute(sql, addresses).fetchone() is not None
    except sqlite3.Error:
        raise Problem(500, "The database of addresses cannot be read.") from None
