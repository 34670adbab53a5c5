"""The configuration's sections ``[api]`` and ``[metrics]``."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bwm.secret import Secret
from bwm.toml import Table

REWIND_NETWORKS = ("bitcoin", "testnet", "tape", "regtest")
"""The networks of RewindBitcoin wallets, by the names in their addresses."""

_USUAL: Mapping[str, tuple[str, ...]] = {
    "main": ("bitcoin",),
    "test": ("testnet",),
    "testnet4": ("testnet",),
    "regtest": ("regtest",),
}

PUSH_URL = "https://exp.host/--/api/v2/push/send"
RECEIPTS_AFTER_S = 900
TRIGGERS_OF_DEVICE = 100_000
TRIGGERS = 5_000_000
TORRC = Path("/etc/tor/torrc")

_PREFIX = re.compile(r"[A-Za-z0-9_-]{16,128}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


def usual_networks(network: str) -> tuple[str, ...]:
    """By which names wallets know a network, unless the configuration says otherwise."""
    return _USUAL.get(network, ())


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the server is reached: ``path`` of a unix socket, or else ``host`` (an IP address) and ``port``."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.path is not None or ipaddress.ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The HTTP server: for whom, what it serves, and how much of it."""

    listen: Listen
    hosts: tuple[str, ...] = ()  # names by which others may call it, beside addresses and localhost
    trust_proxy: bool = False  # X-Forwarded-For says who calls
    rewind: bool = True
    rewind_networks: tuple[str, ...] = ()
    prefix: Secret | None = None  # the RewindBitcoin routes lie behind it
    push_url: str = PUSH_URL
    tor: bool = False  # push messages go through the Tor proxy
    receipts_after_s: int = RECEIPTS_AFTER_S
    commitments: bool = False
    addresses: Path | None = None  # folder of the databases of addresses, for commitments
    triggers_of_device: int = TRIGGERS_OF_DEVICE
    triggers: int = TRIGGERS
    onion: bool = False
    onion_dir: Path | None = None  # tor's HiddenServiceDir
    torrc: Path = TORRC
    metrics: bool = False


def api_config(table: Table, metrics: Table, network: str) -> ApiConfig | None:
    """None when the API is off: that is, when ``listen`` is not given. Raises ConfigError."""
    listen = table.text("listen")
    exposed = table.flag("exposed", default=False)
    config = ApiConfig(
        listen=Listen() if listen is None else _listen(table, listen),
        hosts=table.words("hosts"),
        trust_proxy=table.flag("trust_proxy", default=False),
        rewind=table.flag("rewind", default=True),
        rewind_networks=table.words("rewind_networks", REWIND_NETWORKS) or usual_networks(network),
        prefix=table.secret("prefix"),
        push_url=table.text("push_url") or PUSH_URL,
        tor=table.flag("tor", default=False),
        receipts_after_s=table.duration("receipts_after", RECEIPTS_AFTER_S, 1, 86_400),
        commitments=table.flag("commitments", default=False),
        addresses=table.path("addresses"),
        triggers_of_device=table.whole("triggers_of_device", TRIGGERS_OF_DEVICE, 1, 10_000_000),
        triggers=table.whole("triggers", TRIGGERS, 1, 1_000_000_000),
        onion=table.flag("onion", default=False),
        onion_dir=table.path("onion_dir"),
        torrc=table.path("torrc") or TORRC,
        metrics=metrics.flag("on", default=False),
    )
    table.finish()
    metrics.finish()
    if listen is None:
        return None
    _check(table, config, exposed)
    return config


def _check(table: Table, config: ApiConfig, exposed: bool) -> None:
    if config.prefix is not None and not _PREFIX.fullmatch(config.prefix.reveal()):
        raise table.error("prefix must be 16 to 128 letters, digits, - and _: make one with `openssl rand -hex 16`")
    if not config.push_url.startswith(("https://", "http://")):
        raise table.error("push_url must begin with https:// or http://", "push_url")
    for host in config.hosts:
        if not _HOST.fullmatch(host):
            raise table.error(f"hosts has {host!r}: write names like tower.example.org, without a port", "hosts")
    if config.onion and config.onion_dir is None:
        raise table.error("onion needs onion_dir: the HiddenServiceDir of tor, as in its torrc", "onion")
    if config.commitments and config.addresses is None:
        raise table.error("commitments needs addresses: the folder of the databases of addresses", "commitments")
    if config.listen.is_local:
        return
    if not exposed:
        raise table.error(
            "listen is an address that other machines reach, and bwm speaks plain HTTP. Listen on 127.0.0.1 or a unix "
            "socket, and put a server with TLS or an onion service in front of it; or say exposed = true",
            "listen",
        )
    if config.rewind and config.prefix is None:
        raise table.error("an exposed address needs prefix_file: wallets have no other password", "exposed")


def _listen(table: Table, text: str) -> Listen:
    if text.startswith("unix:"):
        return Listen(path=table.file.folder / Path(text.removeprefix("unix:")).expanduser())
    host, colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        colon = ""
    if not colon or not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 65_536:
        raise table.error(
            f"listen is {text!r}: write it like 127.0.0.1:8480, [::1]:8480 or unix:/run/bwm/api", "listen"
        )
    return Listen(host=str(address), port=int(port))
