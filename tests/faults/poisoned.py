"""Runs bwm with a fault in its matcher: python -m tests.faults.poisoned TXID bwm-program --config FILE run."""

import sys

from bwm.cli.main import main
from bwm.watch.triggers import KINDS


def poison(txid: str) -> None:
    kind = KINDS["outpoint"]
    sound = kind.match

    def match(tx, index):
        if tx.txid == txid:
            raise ZeroDivisionError("a fault that was planted")
        return sound(tx, index)

    kind.match = match


if __name__ == "__main__":
    poison(sys.argv[1])
    main(sys.argv[3:])
