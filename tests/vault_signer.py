"""A timelocked vault with keys of its own, and every transaction of its life, signed by another road than bwm's.

deposit (one key) --unvault--> IF <delay> CSV DROP <hot> CHECKSIG ELSE <cold> CHECKSIG ENDIF --theft or response-->
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bwm.chain.address import address_of_script
from bwm.chain.network import NETWORKS

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ANCHOR = bytes.fromhex("51024e73")
REPLACEABLE = 0xFFFFFFFD
ALL, NONE, SINGLE, ANYONECANPAY = 1, 2, 3, 0x80


def sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def varint(number: int) -> bytes:
    return bytes([number]) if number < 253 else b"\xfd" + number.to_bytes(2, "little")


def sized(data: bytes) -> bytes:
    return varint(len(data)) + data


class Key:
    """A private key; ``script`` is its P2WPKH."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256K1())
        self.public = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        digest = hashlib.new("ripemd160", hashlib.sha256(self.public).digest()).digest()
        self.script = b"\x00\x14" + digest
        self.script_code = b"\x76\xa9\x14" + digest + b"\x88\xac"
        self.address = str(address_of_script(self.script, NETWORKS["regtest"]))

    def sign(self, digest: bytes) -> bytes:
        """DER with a low s, which relay rules demand."""
        r, s = decode_dss_signature(self._key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        return encode_dss_signature(r, min(s, ORDER - s))


@dataclass
class Spend:
    """An input to be: the coin, its amount, and how it is signed."""

    outpoint: str
    sats: int
    key: Key | None  # None: anybody may spend it (an anchor), and nothing is shown
    script: bytes | None = None  # the witness script; None: P2WPKH
    path: tuple[bytes, ...] = ()  # what stands between signature and script
    sequence: int = REPLACEABLE
    sighash: int = ALL

    @property
    def wire(self) -> bytes:
        txid, vout = self.outpoint.split(":")
        return bytes.fromhex(txid)[::-1] + int(vout).to_bytes(4, "little")


@dataclass
class Built:
    """A signed transaction."""

    hex: str
    txid: str
    outputs: Sequence[tuple[int, bytes]] = field(repr=False)

    @property
    def vsize(self) -> int:
        return self._vsize

    _vsize: int = 0


def build(spends: Sequence[Spend], outputs: Sequence[tuple[int, bytes]], version: int = 2, locktime: int = 0) -> Built:
    """Sign every input (BIP 143) and serialise (BIP 144)."""
    head = version.to_bytes(4, "little")
    inputs = b"".join(spend.wire + b"\x00" + spend.sequence.to_bytes(4, "little") for spend in spends)
    paid = varint(len(outputs)) + b"".join(sats.to_bytes(8, "little") + sized(script) for sats, script in outputs)
    tail = locktime.to_bytes(4, "little")
    witnesses = b""
    for place, spend in enumerate(spends):
        if spend.key is None:
            witnesses += b"\x00"
            continue
        signature = spend.key.sign(_digest(spends, place, outputs, head, tail)) + bytes([spend.sighash])
        stack = [signature, *spend.path, spend.script] if spend.script else [signature, spend.key.public]
        witnesses += varint(len(stack)) + b"".join(map(sized, stack))
    bare = head + varint(len(spends)) + inputs + paid + tail
    whole = head + b"\x00\x01" + varint(len(spends)) + inputs + paid + witnesses + tail
    vsize = -(-(3 * len(bare) + len(whole)) // 4)
    return Built(whole.hex(), sha256d(bare)[::-1].hex(), tuple(outputs), vsize)


def _digest(
    spends: Sequence[Spend], place: int, outputs: Sequence[tuple[int, bytes]], head: bytes, tail: bytes
) -> bytes:
    spend = spends[place]
    base, alone = spend.sighash & 0x1F, bool(spend.sighash & ANYONECANPAY)
    wire = [sats.to_bytes(8, "little") + sized(script) for sats, script in outputs]
    prevouts = bytes(32) if alone else sha256d(b"".join(each.wire for each in spends))
    sequences = sha256d(b"".join(each.sequence.to_bytes(4, "little") for each in spends))
    if alone or base in (NONE, SINGLE):
        sequences = bytes(32)
    paid = {ALL: sha256d(b"".join(wire)), NONE: bytes(32)}.get(base)
    if paid is None:
        paid = sha256d(wire[place]) if place < len(wire) else bytes(32)
    assert spend.key
    code = spend.script or spend.key.script_code
    return sha256d(
        head + prevouts + sequences + spend.wire + sized(code) + spend.sats.to_bytes(8, "little")
        + spend.sequence.to_bytes(4, "little") + paid + tail + spend.sighash.to_bytes(4, "little")
    )  # fmt: skip


class TimelockedVault:
    """One deposit and everything that can become of it."""

    def __init__(self, outpoint: str, sats: int, deposit: Key, delay: int = 10, safe: Key | None = None) -> None:
        """``deposit`` owns the coin ``outpoint``; ``safe`` is where responses pay to."""
        self.hot, self.cold, self.safe, self.thief = Key(), Key(), safe or Key(), Key()
        self.sats, self.delay = sats, delay
        number = bytes([0x50 + delay]) if delay <= 16 else sized(delay.to_bytes(2, "little"))
        branch = number + b"\xb2\x75" + sized(self.hot.public) + b"\xac"
        self.script = b"\x63" + branch + b"\x67" + sized(self.cold.public) + b"\xac\x68"
        self.script_pubkey = b"\x00\x20" + hashlib.sha256(self.script).digest()
        self.deposit = Spend(outpoint, sats, deposit)
        self.unvault = build([self.deposit], [(sats - 5_000, self.script_pubkey)])
        self.coin = f"{self.unvault.txid}:0"
        self.coin_sats = sats - 5_000

    def response(self, feerate: float, *, version: int = 2, anchor: int | None = None, to: bytes | None = None,
                 sighash: int = ALL, sequence: int = REPLACEABLE, locktime: int = 0,
                 note: int = 0) -> Built:  # fmt: skip
        """The unvaulted coin to safety, at a feerate in sat/vB. ``note``: so many bytes of data besides."""
        spend = Spend(self.coin, self.coin_sats, self.cold, self.script, (b"",), sequence, sighash)
        data = [(0, b"\x6a\x4c" + bytes([note]) + b"n" * note)] if note else []
        return self._at(feerate, spend, to or self.safe.script, version, anchor, locktime, data)

    def theft(self, feerate: float = 100) -> Built:
        """What the thief sends once the delay is over."""
        spend = Spend(self.coin, self.coin_sats, self.hot, self.script, (b"\x01",), self.delay)
        return self._at(feerate, spend, self.thief.script, 2, None, 0)

    def rival(self, feerate: float) -> Built:
        """The same coin by the cold key to somebody else: only for playing the rival."""
        spend = Spend(self.coin, self.coin_sats, self.cold, self.script, (b"",))
        return self._at(feerate, spend, self.thief.script, 2, None, 0)

    def sweep(self, feerate: float, **options: int) -> Built:
        """The deposit itself to safety, without any delay."""
        spend = Spend(self.deposit.outpoint, self.sats, self.deposit.key, **options)
        return self._at(feerate, spend, self.safe.script, 2, None, 0)

    def child(self, parent: Built, sats: int, fee: int, source: Spend | None = None, *, version: int = 3) -> Built:
        """Spends a parent's output 0 and its anchor to safety, so that both pay ``fee`` together.

        ``sats``: what output 0 holds.
        """
        anchors = [
            Spend(f"{parent.txid}:{vout}", held, None)
            for vout, (held, script) in enumerate(parent.outputs)
            if script == ANCHOR
        ]
        spends = [Spend(f"{parent.txid}:0", sats, self.safe), *anchors, *([source] if source else [])]
        left = sats - fee + (source.sats if source else 0)
        return build(spends, [(left, self.safe.script)], version=version)

    @staticmethod
    def _at(feerate: float, spend: Spend, to: bytes, version: int, anchor: int | None, locktime: int,
            data: Sequence[tuple[int, bytes]] = ()) -> Built:  # fmt: skip
        extra = [*([] if anchor is None else [(anchor, ANCHOR)]), *data]
        draft = build([spend], [(spend.sats, to), *extra], version, locktime)
        fee = -int(-(draft.vsize + 1) * feerate // 1)
        return build([spend], [(spend.sats - fee - (anchor or 0), to), *extra], version, locktime)
