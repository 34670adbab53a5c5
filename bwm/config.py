"""The configuration: one TOML file, read once into one frozen value."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from bwm.chain.address import script_of_address
from bwm.chain.network import NETWORKS
from bwm.chain.network import network as network_of
from bwm.config_alerts import AlertsConfig, CheckInConfig, DrillConfig, read_alerts, read_check_in, read_drill
from bwm.config_api import ApiConfig, api_config
from bwm.config_channels import ChannelConfig, read_channels
from bwm.config_node import NodeConfig, PeerNodeConfig, read_node, read_peer_nodes
from bwm.config_policies import AnnouncementsConfig, WebhookConfig, read_announcements, read_webhooks
from bwm.errors import BadAddress, ConfigError
from bwm.policy.read import read_policies
from bwm.policy.rule import Policy
from bwm.secret import Secret
from bwm.toml import Table, TomlFile, read_toml

SYSTEM_FILE = Path("/etc/bwm/bwm.toml")
SYSTEM_STATE = Path("/var/lib/bwm")

FINAL_DEPTH = 6
RECONCILE_EVERY_S = 15
HEARTBEAT_EVERY_S = 60
GAP_LIMIT = 20  # as BIP 44 has it

DEFAULT_PROXY = ("127.0.0.1", 9050)  # where tor listens if nobody says otherwise


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """An outside service that raises the alarm when it hears nothing any more."""

    url: Secret
    every_s: int


@dataclass(frozen=True, slots=True)
class ResponsesConfig:
    """Where responses may pay to. Nothing but this file can widen it."""

    allow: tuple[bytes, ...] = ()  # scriptPubKeys


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. ``source``: the file they came from; None when there is none."""

    network: str
    state_dir: Path
    database_url: str = field(repr=False)  # may hold a password
    node: NodeConfig = field(default_factory=NodeConfig)
    channels: tuple[ChannelConfig, ...] = ()
    final_depth: int = FINAL_DEPTH  # blocks; of vaults that set none of their own
    reconcile_every_s: int = RECONCILE_EVERY_S  # seconds between looks at the node that nobody rang for
    gap_limit: int = GAP_LIMIT  # unused addresses of a descriptor that are watched beyond the last used one
    heartbeat: HeartbeatConfig | None = None
    peer_nodes: tuple[PeerNodeConfig, ...] = ()
    tor_proxy: tuple[str, int] = DEFAULT_PROXY  # of the channels that must go through it
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    drill: DrillConfig = field(default_factory=DrillConfig)
    check_in: CheckInConfig | None = None
    api: ApiConfig | None = None
    sealing_key: Secret | None = None  # 64 hexadecimal digits; None: the one in the state directory
    responses: ResponsesConfig = ResponsesConfig()
    webhooks: tuple[WebhookConfig, ...] = ()
    policies: tuple[Policy, ...] = ()
    announcements: AnnouncementsConfig = field(default_factory=AnnouncementsConfig)
    source: Path | None = None


def find_file(path: Path | None = None) -> Path | None:
    """The file to read: the one named, else $BWM_CONFIG, else this user's, else the system's; else None."""
    named = path or (Path(chosen) if (chosen := os.environ.get("BWM_CONFIG")) else None)
    if named:
        return named
    places = (user_file(), SYSTEM_FILE)
    return next((place for place in places if _may_be_there(place)), None)


def _may_be_there(place: Path) -> bool:
    """True also behind a closed folder: whoever then reads the file is told that it is not for this user."""
    try:
        return place.exists()
    except PermissionError:
        return True


def user_file() -> Path:
    """Where this user's own configuration lies, or would lie."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "bwm" / "bwm.toml"


def default_state_dir(network: str) -> Path:
    """Where data goes if nobody says otherwise; each network but the main one has a folder of its own.

    Under systemd the service's own folder; the same for a person who may write there, so that
    ``sudo -u bwm bwm ...`` meets the service's data; else this user's state folder (XDG).
    """
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "bwm"
    base = SYSTEM_STATE if os.access(SYSTEM_STATE, os.W_OK) else home
    return base if network == "main" else base / network


def load(path: Path | None = None, network: str | None = None) -> Config:
    """Read the configuration. ``network`` overrides the file's. Raises ConfigError."""
    found = find_file(path)
    return read(read_toml(found) if found else Table(TomlFile(None), (), {}), network)


def read(top: Table, network: str | None = None) -> Config:
    """The configuration that a file's top table describes. Raises ConfigError."""
    if network is not None and network not in NETWORKS:
        raise ConfigError(f"there is no network {network!r}: use one of {', '.join(NETWORKS)}")
    of_file = top.choice("network", NETWORKS, "main")
    network = network or of_file
    state_dir = top.path("state_dir") or default_state_dir(network)
    defaults, proxy = top.table("defaults"), _proxy(top.table("tor"))
    channels, webhooks = read_channels(top, proxy), read_webhooks(top)
    people = {person for channel in channels for person in channel.people}
    config = Config(
        network=network,
        state_dir=state_dir,
        node=read_node(top.table("node")),
        database_url=_database_url(top.table("database")) or f"sqlite:///{state_dir / 'bwm.sqlite'}",
        channels=channels,
        tor_proxy=proxy,
        final_depth=defaults.whole("final_depth", FINAL_DEPTH, 1, 10_000),
        reconcile_every_s=defaults.duration("reconcile_every", RECONCILE_EVERY_S, 1, 600),
        gap_limit=defaults.whole("gap_limit", GAP_LIMIT, 1, 1000),
        heartbeat=_heartbeat(top.table("heartbeat")),
        peer_nodes=read_peer_nodes(top),
        alerts=read_alerts(top.table("alerts"), people),
        drill=read_drill(top.table("drill")),
        check_in=read_check_in(top.table("deadman")),
        api=api_config(top.table("api"), top.table("metrics"), network),
        sealing_key=top.secret("sealing_key"),
        responses=_responses(top.table("responses"), network),
        webhooks=webhooks,
        policies=read_policies(top, network_of(network), people, [webhook.name for webhook in webhooks]),
        announcements=read_announcements(top.table("announcements")),
        source=top.file.path,
    )
    defaults.finish()
    top.finish()
    return config


def _heartbeat(table: Table) -> HeartbeatConfig | None:
    url = table.secret("url")
    every_s = table.duration("every", HEARTBEAT_EVERY_S, 10, 3600)
    table.finish()
    if url is None:
        return None
    if not url.reveal().startswith(("https://", "http://")):
        raise table.error("the heartbeat's url must begin with https:// or http://")
    return HeartbeatConfig(url, every_s)


def _responses(table: Table, network: str) -> ResponsesConfig:
    scripts = []
    for place, address in enumerate(table.words("allow"), 1):
        try:
            scripts.append(script_of_address(address, NETWORKS[network]))
        except BadAddress as error:
            raise table.error(f"allow, address {place}: {error}", "allow") from None
    table.finish()
    return ResponsesConfig(tuple(scripts))


def _database_url(table: Table) -> str | None:
    secret = table.secret("url", is_secret=lambda url: "@" in url)  # else it names no user and no password
    table.finish()
    url = secret.reveal() if secret else None
    if url and not url.startswith(("sqlite:///", "postgresql://")):
        raise table.error("url must begin with sqlite:/// or postgresql://")
    return url


def _proxy(table: Table) -> tuple[str, int]:
    text = table.text("proxy")
    table.finish()
    if text is None:
        return DEFAULT_PROXY
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise table.error(f"proxy is {text!r}: write it like 127.0.0.1:9050", "proxy")
    return host.strip("[]"), int(port)
