"""A node on this machine, looked for in its usual places."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bwm.chain.network import Network
from bwm.errors import NodeDown
from bwm.node.credentials import CookieFile, why_unreadable

_SYSTEM_FOLDERS = (
    "/var/lib/bitcoind",
    "/var/lib/bitcoin",
    "/data/bitcoin",
    "/mnt/hdd/bitcoin",
    "/mnt/hdd/app-data/bitcoin",
)


@dataclass(frozen=True, slots=True)
class FoundNode:
    """A place where a node keeps its data, or seems to."""

    rpc: str  # its URL by the network's default port
    cookie: Path
    problem: str | None  # why the cookie cannot be used now; None when it can


def usual_folders() -> tuple[Path, ...]:
    """The data directories of bitcoind, its packages and the common node distributions."""
    return (Path.home() / ".bitcoin", *map(Path, _SYSTEM_FOLDERS))


def find_nodes(network: Network, folders: Iterable[Path] | None = None) -> list[FoundNode]:
    """Every node of the network in the folders, those whose cookie can be read first."""
    found = []
    for folder in usual_folders() if folders is None else folders:
        cookie = folder / network.subfolder / ".cookie"
        problem = why_unreadable(cookie)
        if problem is None and not cookie.exists():
            if not cookie.parent.is_dir():
                continue
            problem = "the node is not running, or does not write a cookie"
        found.append(FoundNode(f"http://127.0.0.1:{network.rpc_port}", cookie, problem))
    return sorted(found, key=lambda each: each.problem is not None)


def find_node(network: Network, folders: Iterable[Path] | None = None) -> FoundNode:
    """The first node whose cookie can be read. Raises NodeDown that says what stands in the way."""
    nodes = find_nodes(network, folders)
    if nodes and nodes[0].problem is None:
        return nodes[0]
    tried = "".join(f"; {each.cookie}: {each.problem}" for each in nodes)
    raise NodeDown(
        f"no running node of network {network.name} was found on this machine: start it, or set rpc and cookie_file "
        f"(or user and password_file) under [node] in the configuration{tried}"
    )


@dataclass(frozen=True, slots=True)
class FoundCookie:
    """The cookie of whatever node of the network runs when it is asked for: one may be started later, or elsewhere."""

    network: Network

    def user_and_password(self) -> bytes:
        """Raises NodeDown when no node is found, NodeUnauthorized when its cookie cannot be read."""
        return CookieFile(find_node(self.network).cookie).user_and_password()
