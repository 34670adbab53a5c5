"""What the node's configuration lacks for bwm, and the lines of bitcoin.conf that mend it. Pure."""

import hmac
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from bwm.node.answers import Notification
from bwm.node.notifiers import choose_endpoints, effective_hwm

HIGH_WATER_MARK = 100_000
"""Messages the node may hold for us: a block publishes each of its transactions at once, some thousands."""

SUGGESTED_ADDRESS = "tcp://127.0.0.1:28432"
"""An address of its own leaves the other users of the feed alone."""

TOPICS = ("hashblock", "rawtx", "sequence")
"""The topics to ask for. Enough for all; rawblock is only the bell of those who have neither other."""

WATCHING_CALLS = (
    "deriveaddresses",
    "estimatesmartfee",
    "getblock",
    "getblockchaininfo",
    "getblockfilter",
    "getblockhash",
    "getblockheader",
    "getdescriptorinfo",
    "getindexinfo",
    "getmempoolinfo",
    "getnetworkinfo",
    "getrawmempool",
    "getrawtransaction",
    "gettxout",
    "gettxspendingprevout",
    "getzmqnotifications",
    "scanblocks",
    "scantxoutset",
    "signrawtransactionwithkey",
    "waitfornewblock",
)
"""What bwm asks of the node to watch. To sign without a key is to check signatures."""

BROADCASTING_CALLS = ("decodepsbt", "finalizepsbt", "sendrawtransaction", "submitpackage", "testmempoolaccept")
"""What it asks besides, where it may broadcast responses."""

_WITHOUT = {
    "rawtx": "transactions on their way are noticed some seconds later",
    "sequence": "replaced and evicted transactions and reorgs are noticed some seconds later",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    words: str  # what, and what comes of it
    mend: tuple[str, ...]  # lines for bitcoin.conf; a restart of the node makes them true
    is_failure: bool  # something that was asked for does not work; else it works, only less well


def feed_lines(address: str = SUGGESTED_ADDRESS) -> tuple[str, ...]:
    """The lines that make the node publish all that bwm can use, at one address, without losses.

    The high-water marks hold for every address of their topic, and have to be equal: see ``effective_hwm``.
    """
    return (
        *(f"zmqpub{topic}={address}" for topic in TOPICS),
        *(f"zmqpub{topic}hwm={HIGH_WATER_MARK}" for topic in TOPICS),
    )


def user_lines(user: str, password: str, salt: str, may_broadcast: bool) -> tuple[str, ...]:
    """The three lines that give bwm a user of its own on the node, with no more rights than it needs.

    ``salt``: 32 hexadecimal digits at random. The lines do not hold the password. They belong together:
    without the last, a whitelist for one user forbids everything to all others, the cookie included.
    """
    digest = hmac.new(salt.encode(), password.encode(), "sha256").hexdigest()
    calls = WATCHING_CALLS + (BROADCASTING_CALLS if may_broadcast else ())
    return (
        f"rpcauth={user}:{salt}${digest}",
        f"rpcwhitelist={user}:{','.join(sorted(calls))}",
        "rpcwhitelistdefault=0",
    )


def feed_findings(
    notifications: Sequence[Notification], configured: Mapping[str, str], node_host: str
) -> list[Finding]:
    """What is wrong with the feed; an empty list when nothing is.

    ``configured`` gives the endpoints of bwm's own configuration by topic; empty when it asks the node.
    """
    if not notifications:
        words = (
            "the node publishes nothing, so everything is noticed some seconds later; if bitcoin.conf asks for "
            "it already, the port was taken when the node started: choose another"
        )
        return [Finding(words, feed_lines(), is_failure=bool(configured))]
    return [
        *_wrong_endpoints(notifications, configured),
        *_missing_topics({each.topic for each in notifications}),
        *_low_marks(notifications, configured or choose_endpoints(notifications, node_host)),
    ]


def _wrong_endpoints(notifications: Sequence[Notification], configured: Mapping[str, str]) -> list[Finding]:
    """Topics that bwm listens to where the node does not publish them."""
    findings = []
    for topic, endpoint in configured.items():
        addresses = [each.address for each in notifications if each.topic == topic]
        if _port(endpoint) not in map(_port, addresses):
            elsewhere = f"it does so at {', '.join(addresses)}" if addresses else "it does so nowhere"
            words = f"zmq_{topic} is {endpoint}, but the node does not publish {topic} there: {elsewhere}"
            mend = () if addresses else (f"zmqpub{topic}={endpoint}", f"zmqpub{topic}hwm={HIGH_WATER_MARK}")
            findings.append(Finding(words, mend, is_failure=True))
    return findings


def _missing_topics(published: Set[str]) -> list[Finding]:
    findings = [
        Finding(f"the node does not publish {topic}: {without}", feed_lines(), is_failure=False)
        for topic, without in _WITHOUT.items()
        if topic not in published
    ]
    if not published & {"hashblock", "sequence", "rawblock"}:
        words = "the node publishes no blocks: they are noticed some seconds later, or by waitfornewblock"
        findings.append(Finding(words, feed_lines(), is_failure=False))
    return findings


def _low_marks(notifications: Sequence[Notification], heard: Mapping[str, str]) -> list[Finding]:
    """Addresses in use where a full block overflows what the node holds for a reader."""
    ports = {_port(endpoint) for endpoint in heard.values()}
    return [
        Finding(
            f"the node holds {mark} messages at {address}, and a block may publish several thousand at once: "
            "some are lost, and noticed some seconds later",
            tuple(f"zmqpub{each.topic}hwm={HIGH_WATER_MARK}" for each in notifications if each.address == address),
            is_failure=False,
        )
        for address, mark in effective_hwm(notifications).items()
        if 0 < mark < HIGH_WATER_MARK and _port(address) in ports
    ]


def _port(address: str) -> str:
    """What two names of one publisher have in common: hosts differ by where one looks from."""
    return address.rpartition(":")[2] if address.startswith("tcp://") else address
