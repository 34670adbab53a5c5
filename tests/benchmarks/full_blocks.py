"""Full blocks on regtest: as many small transactions as mainnet's busiest blocks hold, each with a signature's weight.

Their coins need no signature (P2WSH of ``OP_DROP OP_TRUE``), so thousands of spends are made in no time.
"""

from collections import deque
from hashlib import sha256

from bwm.chain.address import address_of_script
from bwm.chain.hashing import sha256d
from bwm.chain.network import network
from bwm.chain.outpoint import txid_key
from regtest.node import RegtestNode
from tests.blocks import compact_size, sized

TRANSACTIONS = 3_600  # as many keys and bytes as block 866342 has
_WITNESS_SCRIPT = b"\x75\x51"
SCRIPT = b"\x00\x20" + sha256(_WITNESS_SCRIPT).digest()
_WITNESS = b"\x02" + sized(b"\x30" * 100) + sized(_WITNESS_SCRIPT)
_SEQUENCE = b"\xfd\xff\xff\xff"
_DATA = b"\x6a\x20" + b"\x5a" * 32
_FEE = 2_000  # sat
_MATURITY = 100  # blocks before a reward can be spent
_BITS = bytes.fromhex("ffff7f20")
_TARGET = 0x7FFFFF << 232


class Mill:
    """Makes blocks that the node takes, each spending all coins that the one before it made."""

    def __init__(
        self, node: RegtestNode, transactions: int = TRANSACTIONS, reserved: int = 0, *, small: bool = False
    ) -> None:
        """``reserved``: coins that are spent only when asked for, to be planted in a block of one's choice.

        ``small``: a transaction moves one coin and no more, so that very many fit into a block.
        """
        self._node = node
        self._each = 1 if small else 2
        address = address_of_script(SCRIPT, network("regtest"))
        [first] = node.mine(1, address)
        node.mine(_MATURITY)
        reward = node.rpc("getblock", first, 2)["tx"][0]
        count = self._each * transactions + reserved
        self.sats = int(reward["vout"][0]["value"] * 100_000_000) // count
        fan = _transaction([(txid_key(reward["txid"]), 0)], [self._pay] * count)
        self._add([fan])
        coins = [(fan[1], index) for index in range(count)]
        self._coins = deque(coins[reserved:])
        self.reserved = coins[:reserved]

    @property
    def _pay(self) -> bytes:
        return self.sats.to_bytes(8, "little") + sized(SCRIPT)

    def grind(self, planted: tuple[bytes, int] | None = None) -> int:
        """One more full block, with a spend of a reserved coin somewhere in it. Its size in bytes."""
        pay, nothing = self._pay, bytes(8) + sized(_DATA)
        pays = [pay] if self._each == 1 else [pay, pay, nothing]
        made = [
            _transaction([self._coins.popleft() for _ in range(self._each)], pays)
            for _ in range(len(self._coins) // self._each)
        ]
        self._coins.extend((txid, index) for _, txid, _ in made for index in range(self._each))
        if planted:
            made.insert(len(made) // 2, _transaction([planted], [pay]))
        return self._add(made)

    def _add(self, made: list[tuple[bytes, bytes, bytes]]) -> int:
        tip = self._node.rpc("getblockheader", self._node.tip)
        height = tip["height"] + 1  # as a script number (BIP 34): the top bit would be a sign
        pushed = sized(height.to_bytes(height.bit_length() // 8 + 1, "little"))
        root = _merkle_root([bytes(32), *(wtxid for _, _, wtxid in made)])
        commitment = bytes(8) + sized(b"\x6a\x24\xaa\x21\xa9\xed" + sha256d(root + bytes(32)))
        head, coin, tail = b"\x01" + bytes(32) + b"\xff" * 4 + sized(pushed) + b"\xff" * 4, bytes(8), b"\x6a"
        outputs = b"\x02" + coin + sized(tail) + commitment
        stem = b"\x02\x00\x00\x00" + head + outputs + bytes(4)
        coinbase = stem[:4] + b"\x00\x01" + stem[4:-4] + b"\x01\x20" + bytes(32) + bytes(4)
        merkle_root = _merkle_root([sha256d(stem), *(txid for _, txid, _ in made)])
        time = (tip["time"] + 1).to_bytes(4, "little")
        header = b"\x00\x00\x00\x20" + txid_key(tip["hash"]) + merkle_root + time + _BITS
        raw = _worked(header) + compact_size(len(made) + 1) + coinbase + b"".join(raw for raw, _, _ in made)
        refused = self._node.rpc("submitblock", raw.hex())
        assert refused is None, refused
        return len(raw)


def spend(coin: tuple[bytes, int], sats: int) -> tuple[bytes, bytes]:
    """A transaction for the mempool (of a node with -acceptnonstdtxn) that moves a coin; and its txid as hashed."""
    raw, txid, _ = _transaction([coin], [(sats - _FEE).to_bytes(8, "little") + sized(SCRIPT)])
    return raw, txid


def _transaction(spends: list[tuple[bytes, int]], outputs: list[bytes]) -> tuple[bytes, bytes, bytes]:
    """Serialised, its txid and its wtxid as hashed."""
    inputs = b"".join(txid + index.to_bytes(4, "little") + b"\x00" + _SEQUENCE for txid, index in spends)
    body = compact_size(len(spends)) + inputs + compact_size(len(outputs)) + b"".join(outputs)
    version, locktime = b"\x02\x00\x00\x00", bytes(4)
    raw = version + b"\x00\x01" + body + _WITNESS * len(spends) + locktime
    return raw, sha256d(version + body + locktime), sha256d(raw)


def _merkle_root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        if len(hashes) % 2:
            hashes.append(hashes[-1])
        hashes = [sha256d(left + right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _worked(header: bytes) -> bytes:
    nonce = 0
    while int.from_bytes(sha256d(tried := header + nonce.to_bytes(4, "little")), "little") > _TARGET:
        nonce += 1
    return tried
