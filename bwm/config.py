"""The configuration: one TOML file, read once into one frozen value."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bwm.chain.address import script_of_address
from bwm.chain.network import NETWORKS
from bwm.chain.network import network as network_of
from bwm.config_alerts import AlertsConfig, CheckInConfig, DrillConfig, read_alerts, read_check_in, read_drill
from bwm.config_api import ApiConfig, api_config
from bwm.config_policies import AnnouncementsConfig, WebhookConfig, read_announcements, read_webhooks
from bwm.errors import BadAddress, ConfigError
from bwm.language import ENGLISH_NAME, names
from bwm.policy.read import read_policies
from bwm.policy.rule import Policy
from bwm.secret import Secret
from bwm.severity import Severity
from bwm.toml import Table, TomlFile, read_toml

SYSTEM_FILE = Path("/etc/bwm/bwm.toml")
SYSTEM_STATE = Path("/var/lib/bwm")

FINAL_DEPTH = 6
RECONCILE_EVERY_S = 15
HEARTBEAT_EVERY_S = 60
GAP_LIMIT = 20  # as BIP 44 has it

REST = ("auto", "on", "off")
REDACTABLE = ("sats", "vault", "txid", "address")

CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEFAULT_PROXY = ("127.0.0.1", 9050)  # where tor listens if nobody says otherwise

TIMEZONE_RULE = "use a name like Europe/Berlin, or UTC"

CHANNEL_NAME_RULE = "1 to 64 letters, digits and . _ -, with a letter or digit first"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How to reach the node. What is None is found by its usual places, or asked from the node."""

    rpc: str | None = None  # URL without user and password
    cookie_file: Path | None = None
    user: str | None = None  # with a password: an rpcauth user in the place of the cookie
    password: Secret | None = None
    zmq_rawtx: str | None = None
    zmq_rawblock: str | None = None
    zmq_hashblock: str | None = None
    zmq_sequence: str | None = None
    rest: str = "auto"

    @property
    def zmq(self) -> dict[str, str]:
        """The addresses that are given, by topic; empty: ask the node."""
        given = {
            "rawtx": self.zmq_rawtx,
            "rawblock": self.zmq_rawblock,
            "hashblock": self.zmq_hashblock,
            "sequence": self.zmq_sequence,
        }
        return {topic: address for topic, address in given.items() if address}


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One way to a person. Which of ``url`` and ``path`` it needs depends on its kind."""

    name: str
    kind: str
    url: Secret | None = None
    path: Path | None = None
    secret: Secret | None = None
    proxy: tuple[str, int] | None = None  # host and port of the SOCKS5 proxy that it must go through
    people: tuple[str, ...] = ()
    min_severity: Severity = Severity.INFO
    locale: str = ENGLISH_NAME
    timezone: str = "UTC"
    redact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """An outside service that raises the alarm when it hears nothing any more."""

    url: Secret
    every_s: int


@dataclass(frozen=True, slots=True)
class PeerNodeConfig:
    """Another node, asked whether it has the same chain."""

    name: str
    node: NodeConfig
    relays_responses: bool = False  # responses that are sent are handed to it as well


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
    node: NodeConfig = NodeConfig()
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
    channels, webhooks = _channels(top, proxy), read_webhooks(top)
    people = {person for channel in channels for person in channel.people}
    config = Config(
        network=network,
        state_dir=state_dir,
        node=_node(top.table("node")),
        database_url=_database_url(top.table("database")) or f"sqlite:///{state_dir / 'bwm.sqlite'}",
        channels=channels,
        tor_proxy=proxy,
        final_depth=defaults.whole("final_depth", FINAL_DEPTH, 1, 10_000),
        reconcile_every_s=defaults.duration("reconcile_every", RECONCILE_EVERY_S, 1, 600),
        gap_limit=defaults.whole("gap_limit", GAP_LIMIT, 1, 1000),
        heartbeat=_heartbeat(top.table("heartbeat")),
        peer_nodes=_peer_nodes(top),
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


def _node(table: Table) -> NodeConfig:
    node = NodeConfig(
        rpc=_rpc(table),
        cookie_file=table.path("cookie_file"),
        user=table.text("user"),
        password=table.secret("password"),
        zmq_rawtx=_zmq(table, "zmq_rawtx"),
        zmq_rawblock=_zmq(table, "zmq_rawblock"),
        zmq_hashblock=_zmq(table, "zmq_hashblock"),
        zmq_sequence=_zmq(table, "zmq_sequence"),
        rest=table.choice("rest", REST, "auto"),
    )
    table.finish()
    if (node.user is None) != (node.password is None):
        raise table.error("user and password_file (or password) belong together: give both or none")
    if node.user is not None and node.cookie_file is not None:
        raise table.error("cookie_file and user are both given: remove one", "cookie_file")
    return node


def _heartbeat(table: Table) -> HeartbeatConfig | None:
    url = table.secret("url")
    every_s = table.duration("every", HEARTBEAT_EVERY_S, 10, 3600)
    table.finish()
    if url is None:
        return None
    if not url.reveal().startswith(("https://", "http://")):
        raise table.error("the heartbeat's url must begin with https:// or http://")
    return HeartbeatConfig(url, every_s)


def _peer_nodes(top: Table) -> tuple[PeerNodeConfig, ...]:
    peers = []
    for table in top.tables("peer_node"):
        name, rpc = table.required_text("name"), _rpc(table)
        node = NodeConfig(
            rpc=rpc,
            cookie_file=table.path("cookie_file"),
            user=table.text("user"),
            password=table.secret("password"),
            rest="off",
        )
        relays = table.flag("relay_responses", default=False)
        table.finish()
        if rpc is None or (node.cookie_file is None) == (node.user is None):
            raise table.error("a peer_node needs rpc, and either cookie_file or user with password_file")
        peers.append(PeerNodeConfig(name, node, relays))
    return tuple(peers)


def _responses(table: Table, network: str) -> ResponsesConfig:
    scripts = []
    for place, address in enumerate(table.words("allow"), 1):
        try:
            scripts.append(script_of_address(address, NETWORKS[network]))
        except BadAddress as error:
            raise table.error(f"allow, address {place}: {error}", "allow") from None
    table.finish()
    return ResponsesConfig(tuple(scripts))


def _rpc(table: Table) -> str | None:
    url, in_clear = table.text("rpc"), table.flag("rpc_in_clear", default=False)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        complete = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        complete = False
    else:
        if parts.username is not None:
            raise table.error("rpc must not hold user and password: give user and password_file", "rpc")
    if not complete:
        raise table.error("rpc must look like http://127.0.0.1:8332, with its port", "rpc")
    if not in_clear and not _is_loopback(parts.hostname or ""):
        raise table.error(
            "rpc is not on this machine, and whoever is on the way can read the password and change what is said: "
            "give the near end of a tunnel at 127.0.0.1, or, if the way there is safe, rpc_in_clear = true",
            "rpc",
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _zmq(table: Table, key: str) -> str | None:
    address = table.text(key)
    if address is not None and not address.startswith(("tcp://", "ipc://")):
        raise table.error(f"{key} is {address!r}: write it like tcp://127.0.0.1:28432 or ipc:///path", key)
    return address


def _database_url(table: Table) -> str | None:
    secret = table.secret("url", is_secret=lambda url: "@" in url)  # else it names no user and no password
    table.finish()
    url = secret.reveal() if secret else None
    if url and not url.startswith(("sqlite:///", "postgresql://")):
        raise table.error("url must begin with sqlite:/// or postgresql://")
    return url


def _channels(top: Table, proxy: tuple[str, int]) -> tuple[ChannelConfig, ...]:
    tables = top.tables("channel")
    channels = tuple(_channel(table, proxy) for table in tables)
    count = Counter(channel.name for channel in channels)
    for table, channel in zip(tables, channels, strict=True):
        if count[channel.name] > 1:
            raise table.error(f"two channels have the name {channel.name!r}: each needs its own", "name")
    return channels


def _proxy(table: Table) -> tuple[str, int]:
    text = table.text("proxy")
    table.finish()
    if text is None:
        return DEFAULT_PROXY
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise table.error(f"proxy is {text!r}: write it like 127.0.0.1:9050", "proxy")
    return host.strip("[]"), int(port)


def _channel(table: Table, proxy: tuple[str, int]) -> ChannelConfig:
    channel = ChannelConfig(
        name=_channel_name(table),
        kind=table.required_text("kind"),
        url=table.secret("url"),
        path=table.path("path"),
        secret=table.secret("secret"),
        proxy=proxy if table.flag("tor", default=False) else None,
        people=table.words("people"),
        min_severity=Severity(table.choice("min_severity", list(Severity), Severity.INFO)),
        locale=table.choice("locale", names(), ENGLISH_NAME),
        timezone=_timezone(table),
        redact=table.words("redact", REDACTABLE),
    )
    table.finish()
    if (channel.url is None) == (channel.path is None):
        raise table.error(f"channel {channel.name!r} needs one of url_file, url and path")
    return channel


def _timezone(table: Table) -> str:
    name = table.text("timezone") or "UTC"
    if not is_timezone(name):
        raise table.error(f"timezone is {name!r}: {TIMEZONE_RULE}", "timezone")
    return name


def is_timezone(name: str) -> bool:
    """Whether this machine knows a time zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also what is no name at all, like a path or a folder of the database
        return False
    return True


def _channel_name(table: Table) -> str:
    name = table.required_text("name")
    if not CHANNEL_NAME.fullmatch(name):
        raise table.error(f"name is {name!r}: use {CHANNEL_NAME_RULE}", "name")
    return name
