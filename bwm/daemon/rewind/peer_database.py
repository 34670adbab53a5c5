"""The database of another RewindBitcoin watchtower, as far as it can be understood. Only read, and only a copy of it.

It keeps numbers as texts where a wallet sent them so, txids that are none, and txids that are nothing at all: whatever
is odd is named in the report, and never holds up the rest.
"""

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bwm.chain.outpoint import parse_txid
from bwm.errors import UsageError

SEEN = ("reversible", "irreversible")
"""What it calls a transaction that is in the mempool or the chain."""


@dataclass(slots=True)
class PeerVault:
    """One vault; each txid with what the other watchtower knew of it."""

    wallet_id: str
    txids: dict[str, str] = field(default_factory=dict)
    commitment: str | None = None

    @property
    def seen(self) -> list[str]:
        """Those that it has told of, or was about to."""
        return [txid for txid, status in self.txids.items() if status in SEEN]


@dataclass(frozen=True, slots=True)
class PeerDevice:
    """One telephone and one vault. ``token`` is a secret. Times are unix seconds."""

    wallet_id: str
    token: str
    wallet_uuid: str
    wallet_name: str
    vault_number: int
    watchtower_id: str
    locale: str
    acknowledged: bool
    first_at: int | None
    last_at: int | None
    attempts: int

    def __repr__(self) -> str:
        return f"PeerDevice({self.wallet_id[:8]})"


@dataclass(slots=True)
class PeerData:
    """All of one network."""

    vaults: dict[str, PeerVault] = field(default_factory=dict)
    devices: list[PeerDevice] = field(default_factory=list)
    height: int | None = None  # of the last block that was looked at
    oddities: Counter[str] = field(default_factory=Counter)


def file_of(folder: Path, network: str) -> Path:
    """Where it keeps a network."""
    return folder / f"watchtower.{network}.sqlite"


def read(path: Path) -> PeerData:
    """Raises UsageError when it cannot be read at all."""
    data = PeerData()
    try:
        with _copy_of(path) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            _read_txids(database, data)
            _read_devices(database, data)
            if "commitments" in tables:
                _read_commitments(database, data)
            if "network_state" in tables:
                row = database.execute("SELECT last_checked_height FROM network_state").fetchone()
                data.height = _whole(row[0]) if row else None
    except (sqlite3.Error, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as a watchtower's database: {error}. Nothing was taken over."
        ) from None
    return data


@contextmanager
def _copy_of(path: Path) -> Iterator[sqlite3.Connection]:
    """With what its write-ahead log holds, and without touching it."""
    with tempfile.TemporaryDirectory(prefix="bwm-import-") as folder:
        copy = Path(folder) / "copy.sqlite"
        shutil.copyfile(path, copy)
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name("copy.sqlite-wal"))
        with closing(sqlite3.connect(copy)) as database:
            database.row_factory = sqlite3.Row
            yield database


def _read_txids(database: sqlite3.Connection, data: PeerData) -> None:
    for row in database.execute("SELECT txid, vaultId, status FROM vault_txids"):
        wallet_id = _text(row["vaultId"])
        if not wallet_id:
            data.oddities["a txid without a vault"] += 1
            continue
        vault = data.vaults.setdefault(wallet_id, PeerVault(wallet_id))
        txid = _text(row["txid"])
        try:
            vault.txids[parse_txid(txid or "")] = _text(row["status"]) or "unchecked"
        except UsageError:
            data.oddities["something in the place of a txid, which can never be seen"] += 1
        else:
            if txid != (txid or "").lower():
                data.oddities["a txid in capitals, which was never matched and is from now on"] += 1


def _read_devices(database: sqlite3.Connection, data: PeerData) -> None:
    for row in database.execute("SELECT * FROM notifications"):
        fields = dict(row)
        wallet_id, token = _text(fields.get("vaultId")), _text(fields.get("pushToken"))
        number = _whole(fields.get("vaultNumber"))
        if not wallet_id or not token:
            data.oddities["a device without a token or a vault"] += 1
            continue
        if any(not isinstance(fields.get(name), str) for name in ("pushToken", "vaultId", "walletName")):
            data.oddities["a number in the place of a text"] += 1
        data.vaults.setdefault(wallet_id, PeerVault(wallet_id))
        first_at, last_at = _whole(fields.get("firstAttemptAt")), _whole(fields.get("lastAttemptAt"))
        data.devices.append(
            PeerDevice(
                wallet_id=wallet_id,
                token=token,
                wallet_uuid=_text(fields.get("walletUUID")) or "unknown",
                wallet_name=_text(fields.get("walletName")) or "unknown",
                vault_number=max(0, number or 0),
                watchtower_id=_text(fields.get("watchtowerId")) or "unknown",
                locale=_text(fields.get("locale")) or "en",
                acknowledged=bool(_whole(fields.get("acknowledged"))),
                first_at=first_at,
                last_at=last_at if last_at is not None else first_at,
                attempts=max(0, _whole(fields.get("attemptCount")) or 0),
            )
        )


def _read_commitments(database: sqlite3.Connection, data: PeerData) -> None:
    for row in database.execute("SELECT txid, vaultId FROM commitments"):
        vault = data.vaults.get(_text(row["vaultId"]) or "")
        try:
            commitment = parse_txid(_text(row["txid"]) or "")
        except UsageError:
            data.oddities["something in the place of a commitment"] += 1
            continue
        if vault is None:
            data.oddities["a commitment without a vault"] += 1
        else:
            vault.commitment = commitment


def _text(value: Any) -> str | None:
    """A text as it stands; a number as the other watchtower writes it: what a wallet sent without quotes."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    text = None if value is None else str(value)
    return text.encode(errors="replace").decode() if text else None


def _whole(value: Any) -> int | None:
    try:
        return None if value is None else int(float(value))
    except (ValueError, OverflowError):
        return None
