"""The commands for signers: may it be signed, and a signal to be signed."""

import sys
import time

import click

from bwm.chain.outpoint import outpoint_text
from bwm.cli import output
from bwm.cli.guardian_answer import sight
from bwm.cli.guardians import seconds
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock, from_rfc3339
from bwm.config import Config
from bwm.daemon.connect import connect
from bwm.db import armed_locks, guardians
from bwm.errors import BwmError
from bwm.guardian.grammar import Payload
from bwm.guardian.psbt import Coin, signal_box

_NO = 3  # the exit code of "it is locked"
_SETTLE_S = 5  # how long a running daemon may need to take a change up


@click.command("guardian-state")
@click.argument("name")
@click.option(
    "--max-age",
    "max_age_s",
    callback=seconds,
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="How old bwm's last look may be.",
)
@click.option("--last-known", is_flag=True, help="Take the last known state, also while bwm cannot see.")
@output.json_option
@pass_session
def guardian_state(session: Session, name: str, max_age_s: int, last_known: bool, as_json: bool) -> None:
    """Say whether a guardian is locked, for scripts: exit 0 or 3.

    Exit code 0: unlocked. 3: locked. 1: not known, because it was never unlocked, or because bwm does not see now or
    has not looked for too long. Sign only on 0.

    \b
    Examples:
      $ bwm guardian-state family && sign-the-payment
      $ bwm guardian-state family --max-age 1m --json
    """
    config = session.config()
    with session.database(config):
        doubts = [] if last_known else _doubts(config, name, max_age_s)
        [guardian] = guardians.described(SystemClock().now(), name)
    if as_json:
        output.document(guardian | {"doubts": doubts})
    else:
        click.echo(f"{guardian['state']}: {guardian['reason']}")
    if guardian["state"] == "locked":
        sys.exit(_NO)
    if guardian["state"] != "unlocked":
        raise BwmError(f"Guardian {name} has no valid unlock yet, so nobody can tell whether it would be locked.")
    if doubts:
        raise BwmError(f"Guardian {name} was unlocked when bwm last saw it, but {'; '.join(doubts)}.")


def _doubts(config: Config, name: str, max_age_s: int) -> list[str]:
    """Why an unlocked guardian may be locked by now; a daemon that has just begun is waited for."""
    patience = time.monotonic() + _SETTLE_S
    while guardians.facts(name, SystemClock().now()).state.state == "unlocked":
        now = SystemClock().now()
        seen = sight(config, now)
        doubts = list(seen["not_covered"])
        if seen["looked_at"] is None or abs(now - from_rfc3339(seen["looked_at"])) > max_age_s:
            doubts.append(f"bwm last looked at {seen['looked_at'] or 'no time'}")
        may_settle = seen["running"] and seen["node_reachable"]
        if not doubts or not may_settle or time.monotonic() > patience:
            return doubts
        time.sleep(0.5)
    return []


@click.command("guardian-signal")
@click.argument("name")
@click.option("--lock/--unlock", "is_lock", default=None, required=True, help="What it is to say.")
@click.option("--nonce", type=int, required=True, help="Above every nonce that was said before.")
@click.option(
    "--feerate",
    "feerates",
    type=float,
    multiple=True,
    required=True,
    metavar="SAT/VB",
    help="One transaction each, of a coin of its own.",
)
@output.json_option
@pass_session
def guardian_signal(
    session: Session, name: str, is_lock: bool, nonce: int, feerates: tuple[float, ...], as_json: bool
) -> None:
    """Write a guardian's signal for its wallet to sign.

    A PSBT of the one transaction that the proposal names, a line of base64. bwm holds no key.

    With several --feerate, a Signal Box: transactions that say the same at different fees, each spending another coin
    of the guardian, so that they do not shut each other out.

    \b
    Examples:
      $ bwm guardian-signal family --lock --nonce 2 --feerate 20 > lock.psbt
      $ bwm guardian-signal family --lock --nonce 2 --feerate 10 --feerate 20 --feerate 50 --json
    """
    config = session.config()
    payload = Payload(is_lock, nonce)
    with session.database(config):
        facts = guardians.facts(name, SystemClock().now())
        found = connect(config).coins(guardians.coins(name), include_mempool=True)
        armed = {one.lock.coin for one in armed_locks.judged(name)}
    confirmed = [Coin(key, coin.sats, coin.script) for key, coin in found.items() if coin.height is not None]
    box = signal_box(payload, confirmed, feerates, last_resort=armed)
    highest = max((signal.payload.nonce for signal in facts.signals), default=0)
    if nonce <= highest:
        output.note(f"Nonce {nonce} is not above {highest}, the highest that was said: wallets will ignore {payload}.")
    for signal in box:
        if signal.coin.outpoint in armed:
            output.note(f"{outpoint_text(signal.coin.outpoint)} is also spent by a lock signed in advance.")
        if not as_json:
            output.note(f"{payload}, {signal.feerate:g} sat/vB, fee {signal.fee_sats} sat:")
            click.echo(signal.psbt)
    if as_json:
        output.document(
            [
                {
                    "payload": str(payload),
                    "outpoint": outpoint_text(signal.coin.outpoint),
                    "feerate": signal.feerate,
                    "fee_sats": signal.fee_sats,
                    "psbt": signal.psbt,
                }
                for signal in box
            ]
        )
