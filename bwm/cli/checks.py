"""What `bwm doctor` looks at, one function a subject. Each check says what is so, and how to mend what is wrong."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bwm.chain.network import network as network_of
from bwm.channels import check as check_channel
from bwm.cli.words import unit_of
from bwm.config import Config
from bwm.daemon import keepsake
from bwm.daemon.connect import endpoints_of
from bwm.daemon.lock import is_held
from bwm.daemon.open_response import open_steps, sealer_of
from bwm.daemon.watch_proofs import is_unproved
from bwm.db import channel_outcomes
from bwm.db import responses as stored
from bwm.errors import ChannelError, ConfigError, DatabaseTrouble, NodeError, NodeForbidden, NodeRefused, WrongNetwork
from bwm.node.advice import WATCHING_CALLS, Finding, feed_findings
from bwm.node.answers import NodeInfo
from bwm.node.bitcoind import Bitcoind
from bwm.response.readiness import Verdict
from bwm.seal import KEY_FILE
from bwm.toml import is_open

OK, WARN, FAIL = "ok", "warn", "fail"

_OLDEST_NODE = 240_000  # the first version with gettxspendingprevout
_OLD_TIP_S = 2 * 3600
_CLOCK_MARGIN_S = 2 * 3600  # a block may be two hours ahead of the network (consensus)
_LITTLE_SPACE, _NO_SPACE = 1_000_000_000, 100_000_000  # bytes
_CONNECT_LIMIT_S = 3
_UNKNOWN_METHOD = -32601  # JSON-RPC 2.0

# A call without parameters is refused for that, which shows that it is allowed. These would do something.
_HARMLESS: Mapping[str, tuple[object, ...]] = {
    "scanblocks": ("status",),
    "scantxoutset": ("status",),
    "waitfornewblock": (1,),  # milliseconds
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: str  # ok, warn, fail
    words: str
    mend: tuple[str, ...] = ()  # what to do, or lines for bitcoin.conf


def configuration(config: Config) -> Iterator[Check]:
    """The file that everything stands in."""
    if config.source is None:
        yield Check("configuration", WARN, "there is none; everything is as by default", ("run: bwm init",))
    elif is_open(config.source):
        mend = (f"run: chmod 600 {config.source}",)
        yield Check("configuration", WARN, f"{config.source} can be read by others; it holds no secret yet", mend)
    else:
        yield Check("configuration", OK, str(config.source))


def state_folder(folder: Path) -> Iterator[Check]:
    """Where the database lies."""
    if not folder.exists():
        yield _folder_to_be(folder)
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Check("state folder", FAIL, f"{folder} cannot be written by this user", ("check its owner and mode",))
        return
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield Check("state folder", WARN, f"{folder} is open to others", (f"run: chmod 700 {folder}",))
    else:
        yield Check("state folder", OK, str(folder))
    free = shutil.disk_usage(folder).free
    verdict = FAIL if free < _NO_SPACE else WARN if free < _LITTLE_SPACE else OK
    mend = () if verdict == OK else ("make room: without it nothing can be written down",)
    yield Check("disk space", verdict, f"{free // 1_000_000} MB are free", mend)


def _folder_to_be(folder: Path) -> Check:
    above = next(one for one in folder.absolute().parents if one.exists())
    if os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        return Check("state folder", OK, f"{folder} is made at the first start")
    mend = ("make it for the daemon's user, with mode 700, or correct state_dir in the configuration",)
    return Check("state folder", FAIL, f"{folder} is not there, and this user may not make it in {above}", mend)


def node_state(config: Config, node: Bitcoind, info: NodeInfo, now: int) -> Iterator[Check]:
    """The node's version, network, chain and clock."""
    yield Check("node", OK, f"{info.subversion or info.version} at {node.rpc.url}")
    if info.version < _OLDEST_NODE:
        yield Check("version", FAIL, f"{info.version} is too old", ("install Bitcoin Core 24 or newer, or Knots",))
    try:
        node.check_network(network_of(config.network))
    except WrongNetwork as error:
        yield Check("network", FAIL, str(error))
    else:
        yield Check("network", OK, config.network)
    yield _chain(info, now)
    if info.pruned:
        words = f"the node holds blocks from {info.prune_height or 0} on: the past of a vault is read from there only"
        yield Check("pruning", WARN, words)
    for warning in info.warnings:
        yield Check("node's warning", WARN, warning)
    if info.median_time - now > _CLOCK_MARGIN_S:
        yield Check("clock", FAIL, "this machine's clock is behind the chain's", ("set it, best by NTP",))


def relay(node: Bitcoind) -> Iterator[Check]:
    """Whether the node has a mempool to look at. A node that may not tell is passed over: ``rights`` says so."""
    with suppress(NodeForbidden):
        if not node.network_info().relays:
            words = "the node takes no transactions from others, so a theft is seen only when it is mined"
            yield Check("mempool", WARN, words, ("remove blocksonly=1 from bitcoin.conf and restart the node",))


def _chain(info: NodeInfo, now: int) -> Check:
    if info.initial_block_download or info.headers > info.height + 1:
        return Check("chain", WARN, f"syncing: block {info.height} of {info.headers}; bwm waits for the rest")
    age_s = now - info.tip_time
    if age_s > _OLD_TIP_S:
        mend = ("check the node's connections, and both clocks",)
        return Check("chain", WARN, f"the last block, {info.height}, is {age_s // 60} minutes old", mend)
    return Check("chain", OK, f"block {info.height}")


def rights(node: Bitcoind) -> Check:
    """Every call that bwm makes, tried."""
    forbidden, unknown = [], []
    for call in WATCHING_CALLS:
        try:
            node.rpc.call(call, *_HARMLESS.get(call, ()))
        except NodeForbidden:
            forbidden.append(call)
        except NodeRefused as error:
            if error.code == _UNKNOWN_METHOD:
                unknown.append(call)
    if forbidden:
        mend = (f"add to bwm's rpcwhitelist line in bitcoin.conf: {','.join(forbidden)}",)
        return Check("rights", FAIL, f"the node forbids {', '.join(forbidden)}", mend)
    if unknown:
        return Check("rights", FAIL, f"the node does not know {', '.join(unknown)}", ("install a newer node",))
    return Check("rights", OK, f"all {len(WATCHING_CALLS)} calls are allowed")


def feed(config: Config, node: Bitcoind) -> Iterator[Check]:
    """What the node publishes, and whether it can be heard from here."""
    findings = feed_findings(node.zmq_notifications(), config.node.zmq, node.rpc.host)
    yield from map(_feed_check, findings)
    endpoints = endpoints_of(config, node)
    reached = [_reach(endpoint) for endpoint in sorted(set(endpoints.values()))]
    yield from (check for check in reached if check)
    if not findings and not any(reached):
        yield Check("feed", OK, ", ".join(f"{topic} at {endpoint}" for topic, endpoint in sorted(endpoints.items())))


def _feed_check(finding: Finding) -> Check:
    return Check("feed", FAIL if finding.is_failure else WARN, finding.words, finding.mend)


def _reach(endpoint: str) -> Check | None:
    """What keeps us from an endpoint, or None."""
    try:
        if endpoint.startswith("ipc://"):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(endpoint.removeprefix("ipc://"))
        else:
            parts = urlsplit(endpoint)
            socket.create_connection((parts.hostname, parts.port), _CONNECT_LIMIT_S).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        return Check("feed", FAIL, f"{endpoint} cannot be reached: {reason}", ("correct the address, or the firewall",))
    return None


def channels(config: Config) -> Iterator[Check]:
    """The ways to people. Nothing is sent."""
    if not config.channels:
        yield Check("channels", FAIL, "there is none, so nobody will be told", ("run: bwm add-channel phone",))
    for channel in config.channels:
        name = f"channel {channel.name}"
        try:
            wrong = check_channel(channel)
        except (ConfigError, ChannelError) as error:
            wrong = [str(error)]
        if wrong:
            yield Check(name, FAIL, "; ".join(wrong), ("correct it in the configuration, or remove and add it",))
        else:
            yield Check(name, OK, f"{channel.kind}, reaches {', '.join(channel.people) or 'nobody by name'}")


def database(config: Config, now: int) -> Check:
    """Whether it is the one that bwm worked with. Call inside a database connection."""
    try:
        older = keepsake.look_back(config.state_dir, config.network, now)
    except DatabaseTrouble as error:
        return Check("database", FAIL, str(error))
    if older:
        return Check("database", WARN, older.reason)
    return Check("database", OK, "whole")


def deliveries(config: Config, now: int) -> Iterator[Check]:
    """What the journal knows of the channels. Call inside a database connection."""
    for channel in config.channels:
        if channel_outcomes.is_failing(channel.name):
            mend = (f"run: bwm test-channel {channel.name}",)
            yield Check(f"channel {channel.name}", WARN, "the last delivery failed; `bwm alerts` tells more", mend)
        elif is_unproved(channel.name, config.alerts.prove_every_s, now):
            mend = (f"run: bwm test-channel {channel.name}, and look whether it arrives",)
            days = config.alerts.prove_every_s // 86400
            yield Check(f"channel {channel.name}", WARN, f"it has delivered nothing for {days} days or more", mend)


def responses(config: Config) -> Iterator[Check]:
    """Whether what was signed in advance can be opened and would work."""
    kept = stored.every()
    sealer = sealer_of(config) if kept else None
    for one in kept:
        if not open_steps(sealer, config.network, one):
            mend = (f"bring {KEY_FILE} back into {config.state_dir}, or sign and add the response again",)
            yield Check(f"response {one.name}", FAIL, "it cannot be opened: the key that sealed it is missing", mend)
            continue
        is_bad = one.judgement.verdict is Verdict.VOID
        verdict = FAIL if is_bad else OK if one.judgement.verdict in (Verdict.READY, Verdict.USED) else WARN
        steps = ("sign another one, and add it",) if is_bad else ()
        words = f"{one.judgement.verdict}: {one.judgement.reason}" + ("" if one.armed else " (not armed)")
        yield Check(f"response {one.name}", verdict, words, steps)
    if kept and stored.is_held():
        yield Check("hold", WARN, "everything is on hold: no response is sent", ("run: bwm hold --off",))


def daemon(config: Config) -> Check:
    """Whether somebody watches."""
    if is_held(config.state_dir):
        return Check("daemon", OK, "runs")
    mend = (f"run: systemctl enable --now {unit_of(config.network)}, or without a service: bwm run",)
    return Check("daemon", WARN, "does not run, so nothing is watched", mend)


def unreachable(error: NodeError) -> Check:
    """The node did not answer."""
    mend = ("start the node, or correct [node] in the configuration; `bwm init` looks for it",)
    return Check("node", FAIL, str(error), mend)
