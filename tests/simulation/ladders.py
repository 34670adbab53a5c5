"""Coins worth a robbery, thieves, and the transactions that their owners signed in advance against them."""

from dataclasses import dataclass
from random import Random

from tests.simulation.relay import refusal
from tests.simulation.tower import SAFE
from tests.simulation.wire import Pay, SimTx, transaction
from tests.simulation.world import MINER, OWNED, World

_FEERATES = (2_000, 5_000, 12_000, 30_000, 80_000, 200_000)  # sat/kvB
_VALUES = (300_000, 5_000_000, 50_000_000)  # sat
_TRIGGER_FEE = 2_000  # sat


@dataclass(frozen=True, slots=True)
class Ladder:
    """A vault's coin, and transactions that bring it to safety: each of the same coin, each dearer."""

    coin: bytes  # that the vault watches
    trigger: SimTx | None  # what moves it and makes the coin that the steps spend; None: they spend the watched one
    steps: tuple[SimTx, ...]
    fees: tuple[int, ...]  # sat
    value: int  # sat at risk

    @property
    def contested(self) -> bytes:
        """The coin that the steps spend."""
        return self.steps[0].spends[0]


class Thieves:
    """Makes vaults worth robbing, and robs them."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._salt = 0

    def ladder(self) -> Ladder | None:
        """Somebody pays into a vault, and its owner signs what would save it."""
        world, random = self._world, self._random
        value = random.choice(_VALUES)
        purse = [coin for coin, pay in world.ledger.spendable() if pay.script == MINER and pay.sats > 2 * value]
        if not purse:
            return None
        source = random.choice(purse)
        held = world.ledger.pay_of(source)
        assert held
        paid = self._signed([source], [Pay(value, random.choice(OWNED)), Pay(held.sats - value - 2_000, MINER)])
        if not world.ledger.accept(paid):
            return None
        coin, trigger, at_risk = paid.coin(0), None, value
        if random.random() < 0.7:
            at_risk = value - _TRIGGER_FEE
            trigger = self._signed([coin], [Pay(at_risk, random.choice(OWNED))])
            world.presigned.append(trigger)
        contested = trigger.coin(0) if trigger else coin
        world.spared |= {coin, contested}
        locktime = world.ledger.height + random.randrange(1, 5) if random.random() < 0.15 else 0
        feerates = sorted(random.sample(_FEERATES, random.choice((1, 2, 3, 4))))
        steps, fees = [], []
        for feerate in feerates:
            fee = feerate * 140 // 1000
            steps.append(self._signed([contested], [Pay(at_risk - fee, SAFE)], locktime))
            fees.append(fee)
        return Ladder(coin, trigger, tuple(steps), tuple(fees), at_risk)

    def rob(self, ladder: Ladder) -> None:
        """The vault's coin moves: by its trigger if it has one, else by a theft that may be outbid."""
        if ladder.trigger and self._random.random() < 0.8:
            self._publish(ladder.trigger)
        else:
            self._publish(self._theft(ladder.coin, ladder.value + (_TRIGGER_FEE if ladder.trigger else 0)))

    def outbid(self, ladder: Ladder) -> None:
        """A thief wants the coin that the response spends."""
        self._publish(self._theft(ladder.contested, ladder.value))

    def steal_in_block(self, ladder: Ladder) -> None:
        """A block takes the coin before anybody has seen its spend."""
        self._world.ledger.mine([self._theft(ladder.contested, ladder.value)], int(self._world.clock.true))

    def _theft(self, coin: bytes, value: int) -> SimTx:
        fee = self._random.choice((150, 1_000, 3_000, 8_000, 20_000))
        return self._signed([coin], [Pay(value - fee, MINER)])

    def _publish(self, tx: SimTx) -> None:
        if refusal(self._world.ledger, tx, 0) is None:
            self._world.ledger.accept(tx)

    def _signed(self, coins: list[bytes], pays: list[Pay], locktime: int = 0) -> SimTx:
        """Each is another one, by a number in an output that holds nothing."""
        self._salt += 1
        number = Pay(0, b"\x6a\x04" + self._salt.to_bytes(4, "little"))
        return transaction(coins, [*pays, number], locktime=locktime, replaceable=True)
