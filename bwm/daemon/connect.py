"""From the configuration to the node: where it answers, with which credentials, and where it publishes."""

from collections.abc import Mapping

from bwm.chain.network import Network
from bwm.chain.network import network as network_of
from bwm.config import Config
from bwm.config_node import NodeConfig
from bwm.node.bitcoind import Bitcoind
from bwm.node.credentials import CookieFile, Credentials, UserPassword
from bwm.node.find import FoundCookie
from bwm.node.notifiers import choose_endpoints, useful_endpoints
from bwm.node.rest import Rest
from bwm.node.rpc import Rpc


def connect(config: Config) -> Bitcoind:
    """The node that the configuration names, or else the one in its usual place. Asks it nothing yet."""
    return reach(config.node, network_of(config.network))


def reach(node: NodeConfig, network: Network) -> Bitcoind:
    """A node by its settings."""
    url = node.rpc or f"http://127.0.0.1:{network.rpc_port}"
    credentials: Credentials
    if node.user is not None and node.password is not None:
        credentials = UserPassword(node.user, node.password.reveal())
    else:
        credentials = CookieFile(node.cookie_file) if node.cookie_file else FoundCookie(network)
    rpc = Rpc(url, credentials)
    rest = None if node.rest == "off" else Rest(rpc.host, rpc.port)
    return Bitcoind(rpc, rest, insist_on_rest=node.rest == "on")


def endpoints_of(config: Config, node: Bitcoind) -> Mapping[str, str]:
    """Where the node publishes, by topic: as configured, else as it says itself. Raises NodeError."""
    if config.node.zmq:
        return useful_endpoints(config.node.zmq)
    return choose_endpoints(node.zmq_notifications(), node.rpc.host)
