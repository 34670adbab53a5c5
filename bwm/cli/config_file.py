"""Changes to the configuration file: checked before they count, written whole or not at all, comments kept."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT

from bwm.config import load
from bwm.errors import ConfigError, UsageError

_SECRETS = "channels"  # of the folder beside the configuration that holds one file a secret


def add_channel(path: Path, settings: Mapping[str, Any]) -> None:
    """Add a [[channel]]. Raises ConfigError when the file would not be understood with it."""
    document = _read(path)
    channels = document.setdefault("channel", tomlkit.aot())
    if not isinstance(channels, AoT):
        raise ConfigError(f"{path}: write channels as [[channel]] sections, then add another.")
    table = tomlkit.table()
    table.update(settings)
    channels.append(table)
    _write(path, tomlkit.dumps(document))


def remove_channel(path: Path, name: str) -> None:
    """Remove a [[channel]], and the file with its secret if `add-channel` made that."""
    document = _read(path)
    channels = document["channel"]
    [index] = [index for index, channel in enumerate(channels) if channel["name"] == name]
    del channels[index]
    if not channels:
        del document["channel"]
    _write(path, tomlkit.dumps(document))
    secret_path(path, name).unlink(missing_ok=True)


def secret_path(config_file: Path, name: str) -> Path:
    """Where `add-channel` keeps the secret of a channel."""
    return config_file.parent / own_name(config_file, _SECRETS) / name


def own_name(config_file: Path, name: str) -> str:
    """What a file or folder is called that belongs to this configuration: signet.toml may lie beside bwm.toml."""
    return name if config_file.stem == "bwm" else f"{config_file.stem}-{name}"


def write_secret(config_file: Path, name: str, secret: str) -> str:
    """Keep a channel's secret in a file of its own; its path as the configuration names it."""
    path = secret_path(config_file, name)
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        _give(path.parent, config_file.parent)
    except OSError as error:
        raise UsageError(f"The folder {path.parent} cannot be made: {error.strerror}.") from None
    write_private(path, f"{secret}\n")
    return str(path.relative_to(config_file.parent))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all. Raises UsageError when that cannot be."""
    part = _part_of(path, text, 0o600)
    part.rename(path)


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    """Put the new text in place of the file if it is a configuration."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    part = _part_of(path, text, mode)
    try:
        load(part)
    except ConfigError as error:
        part.unlink()
        words = str(error).replace(f"{part} line", "With the change, line").replace(str(part), "With the change, it")
        raise ConfigError(f"{path} was not changed. {words}") from None
    part.rename(path)


def _part_of(path: Path, text: str, mode: int) -> Path:
    """A new file beside ``path``, on disk, to be renamed to it."""
    part = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        _give(part, path if path.exists() else path.parent)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}. Run this as the user that owns {path.parent}."
        ) from None
    return part


def _give(path: Path, like: Path) -> None:
    """Root does not keep what it makes among another user's files."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
