"""The networks."""

import pytest

from bwm.chain.block import header_of
from bwm.chain.network import NETWORKS, network
from bwm.errors import UsageError
from tests.blocks import GENESIS


def test_every_network_has_a_name_of_its_own_and_a_place_of_its_own():
    assert list(NETWORKS) == ["main", "test", "testnet4", "signet", "regtest"]
    assert all(network(name).name == name for name in NETWORKS)
    for field in "chain", "rpc_port", "subfolder", "genesis":
        assert len({getattr(one, field) for one in NETWORKS.values()}) == len(NETWORKS)


def test_the_genesis_of_main_is_the_hash_of_the_genesis_block():
    assert network("main").genesis == header_of(GENESIS).hash


def test_an_unknown_network_is_answered_with_the_choices():
    with pytest.raises(UsageError, match=r"'mainnet'.*main, test, testnet4, signet, regtest"):
        network("mainnet")
