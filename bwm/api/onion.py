"""The onion service in front of the server: whether tor is set up for it, and by which name it is reached."""

import re
from pathlib import Path

from bwm.config_api import ApiConfig, Listen
from bwm.errors import ConfigError

_NAME = re.compile(r"[a-z2-7]{56}\.onion")
"""Of version 3 (rend-spec-v3 §6)."""


def address(config: ApiConfig) -> str:
    """The name of the service. Raises ConfigError with the lines that tor needs, or what to do."""
    assert config.onion_dir is not None
    try:
        lines = config.torrc.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"{config.torrc} cannot be read ({error.strerror}): install tor, or name its file with torrc."
        ) from None
    if not leads_here(lines, config.onion_dir, config.listen):
        wanted = "\n  ".join(torrc_lines(config.onion_dir, config.listen))
        raise ConfigError(f"{config.torrc} has no onion service that leads here. Add, and restart tor:\n  {wanted}")
    file = config.onion_dir / "hostname"
    try:
        name = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{file} cannot be read: restart tor, and let this user read that file.") from None
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{file} holds no name of an onion service of version 3.")
    return name


def torrc_lines(folder: Path, listen: Listen) -> list[str]:
    """What tor needs."""
    return [f"HiddenServiceDir {folder}", f"HiddenServicePort 80 {_target(listen)}"]


def leads_here(lines: list[str], folder: Path, listen: Listen) -> bool:
    """Whether a torrc has the service of this folder, with a port that leads to the server."""
    of_folder = None
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        if words[0].lower() == "hiddenservicedir":
            of_folder = Path(words[1])
        if words[0].lower() == "hiddenserviceport" and of_folder == folder and words[-1] == _target(listen):
            return True
    return False


def _target(listen: Listen) -> str:
    if listen.path is not None:
        return f"unix:{listen.path}"
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"
