"""The demo: a vault is watched, its coin is stolen, the alert arrives; then bwm stays for the person to try."""

import argparse
import queue
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from regtest.daemon import PROGRAM, Bwm
from regtest.node import RegtestNode, get_node, wait_until
from regtest.receiver import Received, Receiver

COIN_SATS = 50_000_000
VAULT = "cold-storage"


def say(what: str, words: str) -> None:
    print(f"  {what:<6} {words}", flush=True)


def show(alert: Received) -> None:
    """An alert as a person sees it."""
    print("\n".join(["", *(f"  | {line}" for line in alert.text.splitlines())]), flush=True)


def fund_and_watch(node: RegtestNode, bwm: Bwm) -> str:
    """Start the node and bwm, and have bwm watch an address with a coin; the coin."""
    node.start()
    node.mine(110)
    address = node.new_address()
    coin = node.pay(address, COIN_SATS)
    node.mine()
    name = node.rpc("getnetworkinfo")["subversion"].strip("/")
    say("node", f"{name}, a private regtest chain of {node.height} blocks")
    bwm.start()
    bwm("add-vault", VAULT, "--address", address)
    bwm.wait_ready()
    say("bwm", f"runs beside it (process {bwm.pid}) and sends alerts to a receiver that stands for your phone")
    say("vault", f"{VAULT}: {address} with a coin of {COIN_SATS} sat")
    return coin


def steal(coin: str, node: RegtestNode, bwm: Bwm, receiver: Receiver) -> str:
    """Spend the coin and say when bwm had it on disk and when the alert came; the alert's id.

    Raises TimeoutError when one of them never happens.
    """
    theft = node.signed_spend(coin, node.new_address(wallet="thief"))
    started = time.time()
    txid = node.send(theft)
    event = wait_until(lambda: bwm.events("trigger.seen", txid=txid), "the record on disk", every_s=0.002)[0]
    recorded = time.time()
    alert_id = wait_until(
        lambda: next((alert["id"] for alert in bwm.alerts() if alert["event"] == event["seq"]), None), "the alert"
    )
    arrived = receiver.wait_for(text=alert_id)[0]
    print(f"\nA thief spends the coin with transaction\n  {txid}\n")
    print(f"  {0:6.3f} s  broadcast")
    print(f"  {recorded - started:6.3f} s  on bwm's disk: {event['kind']}, {event['reason']}")
    print(f"  {arrived.at - started:6.3f} s  on the phone:")
    show(arrived)
    return alert_id


def stay(bwm: Bwm, alert_id: str, arrivals: queue.SimpleQueue[Received]) -> None:
    """Show every further alert until Ctrl-C, or until the daemon ends."""
    print("\nbwm goes on, and repeats the alert until somebody acknowledges it. Try, in another terminal:\n")
    for arguments in ("status", "events", f"ack {alert_id}"):
        print(f"  {PROGRAM} --config {bwm.config} {arguments}")
    print("\nCtrl-C ends the demo and removes its folder.", flush=True)
    while bwm.is_running:
        try:
            show(arrivals.get(timeout=1))
        except queue.Empty:
            continue
    print(bwm.log_text()[-2000:], file=sys.stderr)
    sys.exit("demo: the daemon ended; its last words are above")


def run(once: bool, folder: Path, cleanup: ExitStack) -> None:
    arrivals: queue.SimpleQueue[Received] = queue.SimpleQueue()
    receiver = cleanup.enter_context(Receiver(on_arrival=arrivals.put))
    node = RegtestNode(folder / "node", bitcoind=get_node())
    cleanup.callback(node.stop)
    bwm = Bwm(folder / "bwm", node, receiver_url=receiver.url())
    cleanup.callback(bwm.kill)
    print("A demo on this machine alone: nothing leaves it.\n", flush=True)
    coin = fund_and_watch(node, bwm)
    alert_id = steal(coin, node, bwm, receiver)
    if not once:
        while not arrivals.empty():  # what has come so far has been shown, or was about the coin's arrival
            arrivals.get()
        stay(bwm, alert_id, arrivals)
    bwm.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="regtest/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the alert instead of waiting for Ctrl-C")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    folder = Path(tempfile.mkdtemp(prefix="bwm-demo-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            run(once, folder, cleanup)
        except (TimeoutError, AssertionError) as error:
            sys.exit(f"demo: it did not work: {error}")
        except KeyboardInterrupt:
            print("\nEnded; nothing is left behind.")


if __name__ == "__main__":
    main()
