"""What `bwm doctor` looks at beside the node and the database: what bwm runs, passes through and compares with."""

import socket
from collections.abc import Iterable, Iterator

from bwm.actions.program import ProgramFailed, refuse_unsafe
from bwm.chain.network import network as network_of
from bwm.cli.checks import FAIL, OK, WARN, Check
from bwm.config import Config
from bwm.daemon.connect import reach
from bwm.errors import ConfigError, NodeError
from bwm.policy.rule import Policy

_CONNECT_LIMIT_S = 3


def beside(config: Config) -> Iterator[Check]:
    """Only what the configuration asks for. Runs and sends nothing."""
    yield from _programs(config.policies)
    if any(channel.proxy for channel in config.channels) or (config.api and config.api.tor):
        yield _proxy(config.tor_proxy)
    yield from _other_nodes(config)
    if config.api and config.api.onion:
        yield from _onion(config)


def faults_of(policy: Policy) -> list[str]:
    """What would keep the programs that a policy names from being run today."""
    programs = [policy.plugin.program] if policy.plugin else []
    programs += [step.target for _, step in policy.deeds if step.action == "hook"]
    faults = []
    for program in dict.fromkeys(programs):
        try:
            refuse_unsafe(program)
        except ProgramFailed as error:
            faults.append(str(error))
    return faults


def _programs(policies: Iterable[Policy]) -> Iterator[Check]:
    for policy in policies:
        if faults := faults_of(policy):
            mend = ("what it should do will not be done: `bwm check-policies` tells more",)
            yield Check(f"policy {policy.name}", FAIL, "; ".join(faults), mend)


def _proxy(address: tuple[str, int]) -> Check:
    where = f"{address[0]}:{address[1]}"
    try:
        socket.create_connection(address, _CONNECT_LIMIT_S).close()
    except OSError as error:
        mend = ("start tor, or correct proxy in [tor]: nothing that should go through it leaves",)
        return Check("tor", FAIL, f"the proxy at {where} cannot be reached: {error.strerror or 'no answer'}", mend)
    return Check("tor", OK, f"the proxy at {where} answers")


def _other_nodes(config: Config) -> Iterator[Check]:
    network = network_of(config.network)
    for peer in config.peer_nodes:
        name = f"second node {peer.name}"
        try:
            node = reach(peer.node, network)
            node.check_network(network)
            tip = node.tip()
        except NodeError as error:
            mend = ("correct its [[peer_node]], or the way there: nobody compares chains with it meanwhile",)
            yield Check(name, WARN, str(error), mend)
        else:
            yield Check(name, OK, f"block {tip.height}")


def _onion(config: Config) -> Iterator[Check]:
    from bwm.api import onion

    assert config.api is not None
    try:
        yield Check("onion service", OK, onion.address(config.api))
    except ConfigError as error:
        yield Check("onion service", FAIL, str(error), ("bwm does not start like this",))
