"""Where the node publishes, and how much it holds for a slow reader. Pure: over what getzmqnotifications says."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from bwm.node.answers import Notification
from bwm.node.frames import TOPICS


def effective_hwm(notifications: Iterable[Notification]) -> dict[str, int]:
    """How many messages the node holds before it drops the newest, by address; 0 is without limit.

    Topics of one address share one socket, which takes the high-water mark of the alphabetically first of
    them, whatever the others were given and getzmqnotifications says.
    """
    first: dict[str, Notification] = {}
    for each in notifications:
        if each.address not in first or each.topic < first[each.address].topic:
            first[each.address] = each
    return {address: each.hwm for address, each in first.items()}


def choose_endpoints(notifications: Sequence[Notification], node_host: str) -> dict[str, str]:
    """Where to hear each topic that bwm can use, as few addresses as possible, those that hold most before others.

    ``node_host`` is where RPC reaches the node: it stands in for an address that means "everywhere".
    """
    marks = effective_hwm(notifications)

    def worth(address: str) -> tuple[int, float]:
        topics = {each.topic for each in notifications if each.address == address} & set(TOPICS)
        return len(topics), marks[address] or float("inf")

    chosen: dict[str, str] = {}
    for address in sorted(marks, key=worth, reverse=True):
        for each in notifications:
            if each.address == address and each.topic in TOPICS:
                chosen.setdefault(each.topic, _reachable(address, node_host))
    return useful_endpoints(chosen)


def useful_endpoints(endpoints: Mapping[str, str]) -> dict[str, str]:
    """The endpoints without rawblock, where another topic rings for blocks.

    Blocks are up to 4 MB each, and the node holds them in memory for a reader that is slow.
    """
    return {
        topic: endpoint
        for topic, endpoint in endpoints.items()
        if topic != "rawblock" or not {"hashblock", "sequence"} & endpoints.keys()
    }


def _reachable(address: str, node_host: str) -> str:
    """The address as a subscriber must write it."""
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    if scheme != "tcp" or not _is_everywhere(host.strip("[]")):
        return address
    return f"tcp://{f'[{node_host}]' if ':' in node_host else node_host}:{port}"


def _is_everywhere(host: str) -> bool:
    """Whether a publisher bound to it listens on all addresses of its machine: 0.0.0.0, :: or *."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host == "*"
