"""The node, and others that it is compared with, as the configuration has them."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from bwm.secret import Secret
from bwm.toml import Table

REST = ("auto", "on", "off")


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
class PeerNodeConfig:
    """Another node, asked whether it has the same chain."""

    name: str
    node: NodeConfig
    relays_responses: bool = False  # responses that are sent are handed to it as well


def read_node(table: Table) -> NodeConfig:
    """The section [node]. Raises ConfigError."""
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


def read_peer_nodes(top: Table) -> tuple[PeerNodeConfig, ...]:
    """Every [[peer_node]]. Raises ConfigError."""
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
