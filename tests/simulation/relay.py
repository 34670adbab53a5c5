"""What a mempool takes, by the rules of Bitcoin Core 29 as far as responses meet them."""

from dataclasses import dataclass

from tests.simulation.ledger import Ledger
from tests.simulation.wire import SimTx

_STEP = 1000  # sat/kvB more than what it replaces (incrementalrelayfee)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What ``sendrawtransaction`` says, with the word of ``testmempoolaccept`` where that is another."""

    code: int
    words: str
    when_tested: str = ""


def refusal(ledger: Ledger, tx: SimTx, floor: int) -> Refusal | None:
    """Why a transaction is not taken; None when it is. ``floor`` in sat/kvB. One that is there already is taken."""
    if tx.txid in ledger.places:
        if any(coin in ledger.coins for coin in tx.coins):
            return Refusal(-27, "Transaction outputs already in utxo set", "txn-already-known")
        return Refusal(-25, "bad-txns-inputs-missingorspent", "missing-inputs")
    if tx.txid in ledger.mempool:
        return None
    if tx.locked_until > ledger.height:
        return Refusal(-26, "non-final")
    rivals = ledger.rivals_of(tx)
    made = {coin for rival in rivals for coin in rival.coins}
    if any(ledger.pay_of(coin) is None or coin in made for coin in tx.spends):
        return Refusal(-25, "bad-txns-inputs-missingorspent", "missing-inputs")
    fee = ledger.fee_of(tx)
    if fee * 1000 < floor * tx.vsize:
        return Refusal(-26, "mempool min fee not met")
    if rivals and not _beats(ledger, tx, fee, rivals):
        return Refusal(-26, "insufficient fee, rejecting replacement")
    return None


def _beats(ledger: Ledger, tx: SimTx, fee: int, rivals: list[SimTx]) -> bool:
    """BIP 125: more than all that it drives out together, by enough for its own relay; and a higher feerate."""
    in_all = sum(ledger.fee_of(rival) for rival in rivals)
    direct = [rival for rival in rivals if not set(rival.spends).isdisjoint(tx.spends)]
    dearer = all(fee * rival.vsize > ledger.fee_of(rival) * tx.vsize for rival in direct)
    return dearer and (fee - in_all) * 1000 >= _STEP * tx.vsize
