"""A private regtest bitcoind in a folder of its own, for tests and for trying things by hand.

It has its own small JSON-RPC client, so that bwm's client is never tested against itself. Coins live in two
wallets of the node: ``miner`` gets the block rewards and pays, ``vault`` owns what ``new_address`` hands out
and spends only when told to. Amounts are sat, feerates sat/vB, outpoints the text ``txid:vout``.
"""

import base64
import contextlib
import http.client
import json
import math
import os
import random
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

TOPICS = ("hashblock", "rawtx", "sequence")
HIGH_WATER_MARK = 100_000  # with the node's default of 1000 a block of more than 1000 transactions loses some
OPT_IN_RBF = 0xFFFFFFFD  # the highest nSequence that allows replacement (BIP 125)
FEERATE = 10  # sat/vB where a test does not care

T = TypeVar("T")


class RpcError(Exception):
    """The node said no. ``code`` is its JSON-RPC error code."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code


class NodeFailedError(Exception):
    """bitcoind ended instead of starting; the text holds its last words."""


def get_node() -> Path:
    """A bitcoind, fetched first where there is none. Raises CalledProcessError when no way works."""
    script = Path(__file__).with_name("get-node")
    return Path(subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def free_port() -> int:
    """A loopback port nobody listens on, from below the range in which connections get their own ports."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def freeze(pid: int) -> None:
    """Stop a process, and wait for the last of its threads: the signal alone leaves them some time to answer."""
    os.kill(pid, signal.SIGSTOP)

    def stands_still() -> bool:
        try:
            tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/stat")]
        except OSError:  # one of them just ended
            return False
        return all(task.rpartition(") ")[2][0] in "Tt" for task in tasks)  # proc_pid_stat(5)

    wait_until(stands_still, "the process to stand still", every_s=0.001)


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 30, every_s: float = 0.02) -> T:
    """What ``condition`` gives, once that is true. Raises TimeoutError, which names ``what`` was awaited."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s} s")
        time.sleep(every_s)
    return result


def btc(sats: int) -> str:
    """An amount as the node's RPC takes it."""
    return f"{sats // 100_000_000}.{sats % 100_000_000:08d}"


class RegtestNode:
    """One bitcoind; ``start`` runs it, and everything else asks it to do something.

    ``topics`` are the ZMQ topics it publishes, all on one address (``zmq``); ``extra_args`` come last on its
    command line. The ports stay the same over restarts.
    """

    def __init__(
        self, folder: Path, *, bitcoind: Path, topics: Sequence[str] = TOPICS, extra_args: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.bitcoind = bitcoind
        self.topics = tuple(topics)
        self.extra_args = tuple(extra_args)
        self.cookie = folder / "regtest" / ".cookie"
        self._process: subprocess.Popen[bytes] | None = None
        self.rpc_port, self.zmq_port, self.p2p_port = free_port(), free_port(), free_port()
        self.rpc_url = f"http://127.0.0.1:{self.rpc_port}"
        self.zmq = f"tcp://127.0.0.1:{self.zmq_port}"

    # Running it

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process, "the node does not run"
        return self._process.pid

    def start(self) -> None:
        """Run bitcoind and wait for RPC to answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [self.bitcoind, *self._arguments()], stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr
            )
        wait_until(self._answers, "an answer of the new bitcoind", timeout_s=60)
        # A taken ZMQ port is no error to bitcoind: it runs on without any notifier.
        if self.topics and not self.rpc("getzmqnotifications"):
            self.stop()
            raise NodeFailedError(f"bitcoind publishes nothing; is port {self.zmq_port} taken?")

    def _arguments(self) -> list[str]:
        switches = [
            f"-datadir={self.folder}",
            "-regtest",
            "-server=1",
            f"-rpcport={self.rpc_port}",
            "-listen=1",
            f"-bind=127.0.0.1:{self.p2p_port}",
            "-listenonion=0",
            "-connect=0",
            "-dnsseed=0",
            "-fixedseeds=0",
            "-discover=0",
            "-printtoconsole=0",
            "-fallbackfee=0.0002",
            "-keypool=10",
            "-dbcache=4",
            "-fastprune",
        ]
        for topic in self.topics:
            switches += [f"-zmqpub{topic}={self.zmq}", f"-zmqpub{topic}hwm={HIGH_WATER_MARK}"]
        return [*switches, *self.extra_args]

    def _answers(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            last_words = (self.folder / "stderr").read_text(errors="replace").strip()
            raise NodeFailedError(f"bitcoind ended with code {self._process.returncode}: {last_words}")
        try:
            self.rpc("getblockchaininfo", timeout_s=10)
        except (OSError, http.client.HTTPException, RpcError):
            return False
        return True

    def stop(self) -> None:
        """End it in an orderly way and wait for the end; nothing happens when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return
        self.resume()
        self._process.terminate()
        self._process.wait(60)

    def kill(self) -> None:
        """End it as a power cut would.

        Its chain is written to disk first: nothing else does so on regtest, and it would come back empty.
        """
        assert self._process
        with contextlib.suppress(OSError):  # a frozen node does not answer
            self.rpc("gettxoutsetinfo", timeout_s=5)
        self._process.kill()
        self._process.wait(60)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: its ports stay open and nothing answers."""
        assert self._process
        freeze(self._process.pid)

    def resume(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    # Asking it

    def rpc(self, method: str, *params: Any, wallet: str = "", timeout_s: float = 60, **named: Any) -> Any:
        """The result of one call. Raises RpcError when the node says no, OSError when it is not reached."""
        question = json.dumps({"id": 0, "method": method, "params": {"args": params, **named}})
        credentials = base64.b64encode(self.cookie.read_bytes()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.rpc_port, timeout=timeout_s)
        try:
            connection.request(
                "POST",
                f"/wallet/{wallet}" if wallet else "/",
                question,
                {"Authorization": f"Basic {credentials}"},
            )
            body = connection.getresponse().read()
        finally:
            connection.close()
        if not body:
            raise http.client.HTTPException(f"{method}: an empty answer")
        answer = json.loads(body, parse_float=Decimal)
        if answer["error"]:
            raise RpcError(method, answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    @property
    def height(self) -> int:
        return self.rpc("getblockcount")

    @property
    def tip(self) -> str:
        """The hash of the best block."""
        return self.rpc("getbestblockhash")

    def block_hash(self, height: int) -> str:
        return self.rpc("getblockhash", height)

    def mempool(self) -> set[str]:
        """The txids in the mempool."""
        return set(self.rpc("getrawmempool"))

    # Blocks

    def mine(self, blocks: int = 1, address: str | None = None) -> list[str]:
        """Mine the mempool into new blocks, by default for the miner wallet; their hashes."""
        return self.rpc("generatetoaddress", blocks, address or self.new_address(wallet="miner"))

    def mine_exactly(self, txs: Iterable[str] = ()) -> str:
        """One block of exactly these transactions (raw hex, or txids in the mempool); its hash.

        Mempool policy does not bind it. Its reward is burnt to a script of its own, so that two nodes at one
        height never make the same coinbase.
        """
        burnt = f"raw(6a08{secrets.token_hex(8)})"
        return self.rpc("generateblock", burnt, list(txs))["hash"]

    def reorg(self, depth: int, length: int | None = None, txs: Iterable[str] = ()) -> list[str]:
        """Replace the last ``depth`` blocks by ``length`` others (default: one more); the new hashes.

        The first new block holds ``txs`` (raw hex), the others nothing; what the old blocks held goes back to
        the mempool unless it conflicts. A second node mines the branch, so all is as when another miner wins.
        """
        rival = RegtestNode(self.folder / f"rival-{secrets.token_hex(4)}", bitcoind=self.bitcoind, topics=())
        with rival:
            for height in range(1, self.height - depth + 1):
                rival.rpc("submitblock", self.rpc("getblock", self.block_hash(height), 0))
            rest = depth if length is None else length - 1
            branch = [rival.mine_exactly(txs), *(rival.mine_exactly() for _ in range(rest))]
            for block in branch:
                self.rpc("submitblock", rival.rpc("getblock", block, 0))
        assert self.tip == branch[-1], "the new branch did not win: is it long enough?"
        return branch

    def connect(self, other: "RegtestNode") -> None:
        """Join two nodes and wait until both have the same tip."""
        self.rpc("setnetworkactive", True)
        self.rpc("addnode", f"127.0.0.1:{other.p2p_port}", "onetry")
        wait_until(lambda: self.tip == other.tip, "the same tip on both nodes")

    def disconnect(self) -> None:
        """Leave all other nodes and wait until it is alone."""
        self.rpc("setnetworkactive", False)
        wait_until(lambda: self.rpc("getconnectioncount") == 0, "the end of all connections")

    # Coins

    def new_address(self, kind: str = "bech32", wallet: str = "vault") -> str:
        """A fresh address of the wallet; ``kind`` is legacy, p2sh-segwit, bech32 or bech32m."""
        if wallet not in self.rpc("listwallets"):
            self._open_wallet(wallet)
        return self.rpc("getnewaddress", "", kind, wallet=wallet)

    def _open_wallet(self, wallet: str) -> None:
        try:
            self.rpc("createwallet", wallet, load_on_startup=True)
        except RpcError:  # it is there already, and unloaded
            self.rpc("loadwallet", wallet)

    def pay(self, address: str, sats: int, feerate: float = FEERATE) -> str:
        """Pay from the miner's coins into the mempool; the outpoint of the payment."""
        txid = self._send_to(address, sats, feerate)
        if txid not in self.mempool():  # the wallet chose a locktime of 21, which Knots takes for spam
            self.rpc("abandontransaction", txid, wallet="miner")
            txid = self._send_to(address, sats, feerate)
        outputs = self.rpc("gettransaction", txid, verbose=True, wallet="miner")["decoded"]["vout"]
        return next(f"{txid}:{out['n']}" for out in outputs if out["scriptPubKey"].get("address") == address)

    def _send_to(self, address: str, sats: int, feerate: float) -> str:
        return self.rpc("sendtoaddress", address, btc(sats), fee_rate=feerate, wallet="miner")

    def signed_spend(
        self,
        outpoint: str,
        to_address: str,
        feerate: float = FEERATE,
        data: bytes | None = None,
        wallet: str = "vault",
    ) -> str:
        """Signed and not broadcast (hex): moves the coin's whole value; ``data`` adds an OP_RETURN."""
        txid, vout = outpoint.split(":")
        self.rpc("syncwithvalidationinterfacequeue")  # wallets hear of a payment a moment after the mempool
        coin = self.rpc("gettransaction", txid, verbose=True, wallet=wallet)["decoded"]["vout"][int(vout)]
        sats = int(coin["value"] * 100_000_000)
        spent = {"txid": txid, "vout": int(vout), "sequence": OPT_IN_RBF}
        # Told of the coin itself, the wallet signs also when it has been spent already.
        known = spent | {"scriptPubKey": coin["scriptPubKey"]["hex"], "amount": btc(sats)}

        def signed(fee_sats: int) -> str:
            outputs = [
                {to_address: btc(sats - fee_sats)},
                *([{"data": data.hex()}] if data is not None else []),
            ]
            unsigned = self.rpc("createrawtransaction", [spent], outputs)
            answer = self.rpc("signrawtransactionwithwallet", unsigned, [known], wallet=wallet)
            assert answer["complete"], f"{wallet} cannot sign for {outpoint}: {answer['errors']}"
            return answer["hex"]

        # A signature may be a byte longer the next time; the feerate must not fall below what was asked.
        vsize = self.rpc("decoderawtransaction", signed(0))["vsize"] + 1
        return signed(math.ceil(vsize * feerate))

    def spend(
        self,
        outpoint: str,
        to_address: str,
        feerate: float = FEERATE,
        data: bytes | None = None,
        wallet: str = "vault",
    ) -> str:
        """Move the coin's whole value, also in place of an earlier spend with a lower fee; the txid."""
        return self.send(self.signed_spend(outpoint, to_address, feerate, data, wallet))

    def send(self, tx_hex: str) -> str:
        """Broadcast a transaction; its txid."""
        return self.rpc("sendrawtransaction", tx_hex, 0)
