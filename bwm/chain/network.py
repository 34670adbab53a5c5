"""The networks that a node can run on, and what differs between them."""

from dataclasses import dataclass

from bwm.errors import UsageError


@dataclass(frozen=True, slots=True)
class Network:
    """One network, as Bitcoin Core's chainparams.cpp and chainparamsbase.cpp describe it."""

    name: str
    chain: str  # the field "chain" of getblockchaininfo
    bech32_hrp: str  # BIP 173: what a segwit address begins with, before the 1
    p2pkh_version: int  # the version byte of a Base58Check address
    p2sh_version: int
    rpc_port: int  # where the node's RPC listens if nobody says otherwise
    subfolder: str  # where the node's cookie lies, below its data directory
    genesis: str  # hash of block 0, as people read it


_ALL = (
    Network(
        name="main",
        chain="main",
        bech32_hrp="bc",
        p2pkh_version=0,
        p2sh_version=5,
        rpc_port=8332,
        subfolder="",
        genesis="000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    ),
    Network(
        name="test",
        chain="test",
        bech32_hrp="tb",
        p2pkh_version=111,
        p2sh_version=196,
        rpc_port=18332,
        subfolder="testnet3",
        genesis="000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
    ),
    Network(
        name="testnet4",
        chain="testnet4",
        bech32_hrp="tb",
        p2pkh_version=111,
        p2sh_version=196,
        rpc_port=48332,
        subfolder="testnet4",
        genesis="00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    ),
    Network(
        name="signet",
        chain="signet",
        bech32_hrp="tb",
        p2pkh_version=111,
        p2sh_version=196,
        rpc_port=38332,
        subfolder="signet",
        genesis="00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
    ),
    Network(
        name="regtest",
        chain="regtest",
        bech32_hrp="bcrt",
        p2pkh_version=111,
        p2sh_version=196,
        rpc_port=18443,
        subfolder="regtest",
        genesis="0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
    ),
)

NETWORKS: dict[str, Network] = {one.name: one for one in _ALL}


def network(name: str) -> Network:
    """The network of that name. Raises UsageError naming the choices."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise UsageError(f"there is no network {name!r}; choose one of: {', '.join(NETWORKS)}") from None
