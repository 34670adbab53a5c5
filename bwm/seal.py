"""Sealing: what is stored and must not be read by whoever copies the database. AES-256-GCM, a new nonce each time.

The key is no part of the database: it lies in a file of its own, or comes as a credential.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from bwm.errors import BwmError, ConfigError
from bwm.secret import Secret

KEY_FILE = "sealing.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class CannotOpen(BwmError):
    """What was sealed with another key, or for another place, or was changed since."""


class Sealer:
    """One key. ``place`` says what a text is: it opens only for the place that it was sealed for."""

    def __init__(self, key: Secret) -> None:
        """``key``: 64 hexadecimal digits. Raises ConfigError for anything else."""
        try:
            raw = bytes.fromhex(key.reveal())
        except ValueError:
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise ConfigError("the sealing key must be 64 hexadecimal digits: make one with `openssl rand -hex 32`")
        # Ten megabytes that only those need who have something to seal.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(raw)
        self._refusals = (InvalidTag, ValueError)

    def seal(self, text: bytes, place: str) -> bytes:
        """Nonce and ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises CannotOpen."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except self._refusals:
            raise CannotOpen(f"{place} cannot be opened: the sealing key is another one, or it was changed") from None


def key_of(folder: Path, *, make: bool) -> Secret | None:
    """The key that lies in the state directory; with ``make``, a new one where there is none. Raises ConfigError."""
    path = folder / KEY_FILE
    if make:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            _write_new(path)
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} holds a secret, and others can read it. Run: chmod 600 {path}")
        return Secret(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None


def _write_new(path: Path) -> None:
    """Whole or not at all, and on the disk before anything is sealed with it."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    file = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(file, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    try:
        path.hardlink_to(part)
    finally:
        part.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
