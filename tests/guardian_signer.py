"""Guardians with keys of their own, and the transactions that they sign, built by another road than bwm's.

No wallet of the node knows these keys, so none sends their transactions again when they are to vanish.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bwm.chain.base58 import encode_check
from regtest.node import RegtestNode, btc

KINDS = ("p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2wsh", "p2tr", "p2tr-script")
UNSPENDABLE_KEY = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"  # BIP 341
FINAL = 0xFFFFFFFF
FEE = 2_000  # sat: more than 10 sat/vB for all that is built here


@dataclass(frozen=True)
class Coin:
    """An output that can be spent."""

    outpoint: str  # TXID:VOUT
    sats: int
    script: bytes


@dataclass
class Draft:
    """A transaction to be signed. What an input shows is kept apart, by the input's place."""

    inputs: Sequence[tuple[Coin, int]]  # with their sequence
    outputs: Sequence[tuple[int, bytes]]  # sat and scriptPubKey
    script_sigs: dict[int, bytes] = field(default_factory=dict)
    witnesses: dict[int, Sequence[bytes]] = field(default_factory=dict)

    def hex(self) -> str:
        """Serialised (BIP 144)."""
        signed = any(self.witnesses.values())
        raw = (2).to_bytes(4, "little") + (b"\x00\x01" if signed else b"")
        raw += bytes([len(self.inputs)])
        for place, (coin, sequence) in enumerate(self.inputs):
            txid, vout = coin.outpoint.split(":")
            raw += bytes.fromhex(txid)[::-1] + int(vout).to_bytes(4, "little")
            raw += sized(self.script_sigs.get(place, b"")) + sequence.to_bytes(4, "little")
        raw += bytes([len(self.outputs)])
        raw += b"".join(sats.to_bytes(8, "little") + sized(script) for sats, script in self.outputs)
        if signed:
            for place in range(len(self.inputs)):
                elements = self.witnesses.get(place, ())
                raw += bytes([len(elements)]) + b"".join(map(sized, elements))
        return (raw + bytes(4)).hex()


def sized(data: bytes) -> bytes:
    """After its length; nothing here is longer than 252 bytes."""
    assert len(data) < 253
    return bytes([len(data)]) + data


def said(payload: str) -> bytes:
    """The scriptPubKey of "lock 2", "unlock 3", or of any other text behind "raw "."""
    switch, _, rest = payload.partition(" ")
    text = rest if switch == "raw" else f"guardv1.Lock={'true' if switch == 'lock' else 'false'}#{rest}"
    return b"\x6a" + sized(text.encode())


class Signer:
    """Keys, the address that they make, and the coins that it has."""

    def __init__(self, node: RegtestNode, kind: str = "p2wpkh") -> None:
        self.node = node
        self.kind = kind
        self.wifs = [encode_check(b"\xef" + os.urandom(32) + b"\x01") for _ in range(2 if kind == "p2wsh" else 1)]
        self.public_keys = [self._public(f"pk({wif})")[3:69] for wif in self.wifs]
        self.descriptor = self._descriptor()
        self.address = self.node.rpc("deriveaddresses", self._public(self.descriptor))[0]
        self.script = script_of(node, self.address)

    def _public(self, descriptor: str) -> str:
        public: str = self.node.rpc("getdescriptorinfo", descriptor)["descriptor"]
        return public

    def _descriptor(self) -> str:
        key = self.wifs[0]
        return {
            "p2pkh": f"pkh({key})",
            "p2sh-p2wpkh": f"sh(wpkh({key}))",
            "p2wpkh": f"wpkh({key})",
            "p2wsh": f"wsh(multi({len(self.wifs)},{','.join(self.wifs)}))",
            "p2tr": f"tr({key})",
            "p2tr-script": f"tr({UNSPENDABLE_KEY},pk({key}))",
        }[self.kind]

    @property
    def _scripts_behind(self) -> Mapping[str, str]:
        """What the signer must be shown beside the scriptPubKey."""
        if self.kind == "p2wsh":
            keys = "".join(f"21{key}" for key in self.public_keys)
            return {"witnessScript": f"52{keys}52ae"}
        if self.kind == "p2sh-p2wpkh":
            inner = self.node.rpc("deriveaddresses", self._public(f"wpkh({self.wifs[0]})"))[0]
            return {"redeemScript": script_of(self.node, inner).hex()}
        return {}

    def draft(
        self,
        coins: Iterable[Coin],
        payloads: Iterable[str] = (),
        *,
        sequence: int = FINAL,
        last: bool = False,
        extra: Iterable[tuple[int, bytes]] = (),
    ) -> Draft:
        """The coins spent back to the guardian, with these payloads; ``last``: after the change."""
        coins = list(coins)
        signals = [(0, said(payload)) for payload in payloads]
        change = (sum(coin.sats for coin in coins) - FEE - sum(sats for sats, _ in extra), self.script)
        outputs = [change, *signals] if last else [*signals, change]
        return Draft([(coin, sequence) for coin in coins], [*outputs, *extra])

    def sign(self, draft: Draft, sighash: str = "ALL", places: Iterable[int] | None = None) -> Draft:
        """Sign every input that is ours, or those at some places; the node's own code does it."""
        shown = (
            self._shown_by_descriptor(draft) if self.kind.startswith("p2tr") else self._shown_by_keys(draft, sighash)
        )
        for place, (coin, _) in enumerate(draft.inputs):
            if coin.script == self.script and (places is None or place in places):
                draft.script_sigs[place] = bytes.fromhex(shown[place]["scriptSig"]["hex"])
                draft.witnesses[place] = [bytes.fromhex(each) for each in shown[place].get("txinwitness", ())]
        return draft

    def _shown_by_keys(self, draft: Draft, sighash: str) -> Sequence[Mapping[str, object]]:
        coins = [
            dict(zip(("txid", "vout"), (coin.outpoint.split(":")[0], int(coin.outpoint.split(":")[1])), strict=True))
            | {"scriptPubKey": coin.script.hex(), "amount": btc(coin.sats)}
            | (self._scripts_behind if coin.script == self.script else {})
            for coin, _ in draft.inputs
        ]
        unsigned = Draft(draft.inputs, draft.outputs).hex()
        signed = self.node.rpc("signrawtransactionwithkey", unsigned, self.wifs, coins, sighash)["hex"]
        return self.node.rpc("decoderawtransaction", signed)["vin"]

    def _shown_by_descriptor(self, draft: Draft) -> Sequence[Mapping[str, object]]:
        psbt = self.node.rpc("converttopsbt", Draft(draft.inputs, draft.outputs).hex())
        checksum = self.node.rpc("getdescriptorinfo", self.descriptor)["checksum"]
        answer = self.node.rpc("descriptorprocesspsbt", psbt, [f"{self.descriptor}#{checksum}"])
        return self.node.rpc("decoderawtransaction", answer["hex"])["vin"]

    def signal(self, coin: Coin, *payloads: str, sighash: str = "ALL", sequence: int = FINAL) -> str:
        """Signed, in hexadecimal: the coin spent back to the guardian with these payloads."""
        return self.sign(self.draft([coin], payloads, sequence=sequence), sighash).hex()


def script_of(node: RegtestNode, address: str) -> bytes:
    """The scriptPubKey of an address."""
    return bytes.fromhex(node.rpc("validateaddress", address)["scriptPubKey"])


def fund(node: RegtestNode, scripts: Iterable[bytes], sats: int = 100_000) -> list[Coin]:
    """Pay each of these scripts, whatever they are, from a reward of the miner, in a new block."""
    scripts = list(scripts)
    reward = next(
        coin for coin in node.rpc("listunspent", wallet="miner") if coin["amount"] > len(scripts) * sats / 10**8
    )
    source = Coin(f"{reward['txid']}:{reward['vout']}", int(reward["amount"] * 10**8), b"")
    change = script_of(node, node.new_address(wallet="miner"))
    paid = [(sats, script) for script in scripts]
    left = source.sats - sats * len(scripts) - 100 * FEE
    raw = _many_outputs(source, [*paid, (left, change)])
    signed = node.rpc("signrawtransactionwithwallet", raw, wallet="miner")["hex"]
    node.mine_exactly([signed])
    txid = node.rpc("decoderawtransaction", signed)["txid"]
    return [Coin(f"{txid}:{vout}", sats, script) for vout, script in enumerate(scripts)]


def _many_outputs(source: Coin, outputs: Sequence[tuple[int, bytes]]) -> str:
    """A transaction of more than 252 outputs, if need be."""
    raw = bytes.fromhex(Draft([(source, FINAL)], ()).hex())
    count = len(outputs)
    counted = bytes([count]) if count < 253 else b"\xfd" + count.to_bytes(2, "little")
    body = b"".join(sats.to_bytes(8, "little") + sized(script) for sats, script in outputs)
    return (raw[:-5] + counted + body + bytes(4)).hex()
