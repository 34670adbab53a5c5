"""Transactions of a guardian with inputs of the right shape, and the least that a caller of bwm.guardian does."""

from dataclasses import replace
from hashlib import sha256

from bwm.chain.tx import Input, Output, Tx
from bwm.guardian.duty import changes
from bwm.guardian.grammar import Payload
from bwm.guardian.signal import read_signals
from bwm.guardian.state import next_marks, observed, state_of

SCRIPTS = {
    "p2pkh": b"\x76\xa9\x14" + b"\xaa" * 20 + b"\x88\xac",
    "p2sh": b"\xa9\x14" + b"\xaa" * 20 + b"\x87",
    "p2wpkh": b"\x00\x14" + b"\xaa" * 20,
    "p2wsh": b"\x00\x20" + b"\xaa" * 32,
    "p2tr": b"\x51\x20" + b"\xaa" * 32,
}
OTHER_GUARDIAN = b"\x00\x14" + b"\xbb" * 20
STRANGER = b"\x00\x14" + b"\xcc" * 20
LOOK_ALIKE = b"\x52\x14" + b"\xaa" * 20  # witness version 2: a copied witness spends it
SIGHASHES = {"ALL": 1, "NONE": 2, "SINGLE": 3, "ALL|ANYONECANPAY": 0x81}
KEY = b"\x02" + b"\x11" * 32


def signature(sighash=1, size=71):
    """Bytes with the look of a DER signature and its sighash byte."""
    return b"\x30" + b"\x44" * (size - 2) + bytes((sighash,))


def coin(name):
    """The outpoint key of a coin, a different one for each name."""
    return sha256(name.encode()).digest() + bytes(4)


def make_tx(name, inputs, outputs, locktime=0, version=2):
    return Tx(sha256(name.encode()).hexdigest(), version, tuple(inputs), tuple(outputs), locktime, b"")


def op_return(data):
    return b"\x6a" + bytes((len(data),)) + data


def payload_of(words):
    switch, nonce = words.split()
    return Payload(switch == "lock", int(nonce))


def output(words, guardian):
    """An output in the words of the data files: "lock N", "unlock N", "raw TEXT", "guardian" or "stranger"."""
    words, _, sats = words.partition(" + ")
    if words in ("guardian", "stranger"):
        return Output(5000, guardian if words == "guardian" else STRANGER)
    text = words.removeprefix("raw ")
    script = op_return(text.encode()) if text != words else payload_of(words).to_script()
    return Output(int(sats.removesuffix(" sats") or 0), script)


class Watcher:
    """One guardian, a chain and a mempool; keeps the signals, and tells what bwm would tell."""

    script = SCRIPTS["p2wpkh"]

    def __init__(self, unlock_confirmations=6, unlock_delay_s=0):
        self.rules = (unlock_confirmations, unlock_delay_s)
        self.txs = {}
        self.scripts = {}
        self.signals = {}
        self.blocks = []
        self.now = 1_700_000_000
        self.told = []
        self.state = state_of((), 0, self.now)

    @property
    def tip(self):
        return len(self.blocks)

    def define(self, name, words):
        """A transaction in the words of scenarios.toml."""
        kind = words.split()[0]
        self.scripts[coin(name)] = {"forged": STRANGER, "look-alike": LOOK_ALIKE}.get(kind, self.script)
        said = words.removeprefix("forged ").removeprefix("look-alike ")
        outputs = [] if said == "moved" else [output(part, self.script) for part in said.split(", ")]
        change = Output(5000, STRANGER if kind == "look-alike" else self.script)
        spend = Input(coin(name), b"", 0xFFFFFFFF, (signature(), KEY))
        self.txs[name] = make_tx(name, [spend], [*outputs, change])

    def do(self, verb, *names):
        """One verb of scenarios.toml. Returns the notices it caused."""
        before = len(self.told)
        match verb:
            case "see":
                for name in names:
                    self._step([name], lambda signal: signal.in_mempool())
            case "mine":
                self.blocks.append(names)
                height = self.tip
                self._step(names, lambda signal: signal.in_block(height, self.now), in_block=True)
            case "bury":
                for _ in range(int(names[0])):
                    self.do("mine")
            case "undo":
                for _ in range(int(names[0])):
                    self._step(self.blocks.pop(), lambda signal: signal.in_mempool())
            case "drop":
                for name in names:
                    self._step([name], lambda signal: signal.gone(), seen=False)
            case "wait":
                self.now += int(names[0])
                self._step([], lambda signal: signal)
        return self.told[before:]

    def _step(self, names, moved, *, seen=True, in_block=False):
        readings = [read_signals(self.txs[name], self.script, self.scripts) for name in names] if seen else []
        txids = {self.txs[name].txid for name in names}
        known = tuple(self.signals.values())
        for reading in readings:
            for signal in observed(reading, self.now):
                self.signals.setdefault((signal.txid, signal.payload), signal)
        for key, signal in self.signals.items():
            if signal.txid in txids:
                self.signals[key] = moved(signal)
        for signal in next_marks(self.signals.values(), self.tip, self.now, *self.rules):
            self.signals[signal.txid, signal.payload] = signal
        before, self.state = self.state, state_of(self.signals.values(), self.tip, self.now, *self.rules)
        facts = {(notice.kind, notice.txid) for notice in self.told}
        self.told += [
            notice
            for notice in changes(before, self.state, readings, known, in_block=in_block)
            if notice.kind in KINDS_OF_STATE or (notice.kind, notice.txid) not in facts
        ]


KINDS_OF_STATE = {  # told at every change; the others once a transaction
    "guardian.locked",
    "guardian.lock_vanished",
    "guardian.unlock_pending",
    "guardian.unlock_vanished",
    "guardian.unlocked",
    "guardian.final_unlock_reorged",
}


def settled(state):
    """A state without what depends on when its signals were seen."""
    return replace(state, since=None, reason="", txid=None)
