"""The guardian's scenarios on a real chain and mempool: replaced, expired, mined, disconnected."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from regtest.node import wait_until
from tests.guardian_signer import FEE, FINAL, Draft, Signer, fund, said
from tests.node.guardian_stage import Actor, Stage, set_stage

ROWS = tomllib.loads((Path(__file__).parents[1] / "data" / "guardian" / "scenarios.toml").read_text())["scenario"]
RIVALS = {"X": "A"}  # what moves without a signal spends the coin of the lock, which it replaces


@pytest.fixture(scope="module")
def stage(bitcoind: Path, run: int) -> Iterator[Stage]:
    with set_stage(bitcoind) as stage:
        yield stage


@pytest.fixture(scope="module")
def actors(stage: Stage) -> dict[str, Actor]:
    """A guardian for each scenario, by the scenario's id."""
    starts = ("fresh", "base", "locked")
    names = {start: [row["id"] for row in ROWS if row.get("start", "base") == start] for start in starts}
    return {actor.name: actor for start in starts for actor in stage.cast(names[start], coins=4, start=start)}


class Play:
    """One scenario under way: transactions by name, and the verbs of scenarios.toml."""

    def __init__(self, stage: Stage, actor: Actor, transactions: dict[str, str]) -> None:
        self.stage = stage
        self.node = stage.node
        self.name = actor.name
        self.raws: dict[str, str] = {}
        self.coins = {}
        for name, words in transactions.items():
            self.raws[name] = self._built(actor, name, words)
        self.txids = {name: self.node.rpc("decoderawtransaction", raw)["txid"] for name, raw in self.raws.items()}
        self.seq = stage.last_seq()

    def _built(self, actor: Actor, name: str, words: str) -> str:
        signer = actor.signer
        if words.startswith("forged "):
            stranger = Signer(self.node)
            [coin] = fund(self.node, [stranger.script])
            outputs = [(0, said(words.removeprefix("forged "))), (coin.sats - FEE, signer.script)]
            return stranger.sign(Draft([(coin, FINAL)], outputs)).hex()
        if words.startswith("look-alike "):
            genuine = signer.sign(signer.draft([actor.coins[0]], [words.removeprefix("look-alike ")]))
            [coin] = fund(self.node, [b"\x52" + signer.script[1:]])
            outputs = [genuine.outputs[0], (coin.sats - FEE, fund_script(self.node))]
            return Draft([(coin, FINAL)], outputs, {}, genuine.witnesses).hex()
        if name in RIVALS:
            coin = self.coins[RIVALS[name]]
            return signer.sign(Draft([(coin, FINAL)], [(coin.sats - 5 * FEE, signer.script)])).hex()
        self.coins[name] = actor.coins.pop()
        payloads = [] if words == "moved" else words.split(", ")
        return signer.signal(self.coins[name], *payloads)

    def do(self, verb: str, *names: str) -> None:
        txids = [self.txids[name] for name in names if name in self.txids]
        match verb:
            case "see":
                for name in names:
                    self._see(name)
            case "mine":
                self.node.mine_exactly([self.raws[name] for name in names])
            case "bury":
                self.stage.bury(int(names[0]))
            case "undo":
                for _ in range(int(names[0])):
                    self.node.rpc("invalidateblock", self.node.tip)
            case "drop":
                if present := set(txids) & self.node.mempool():
                    self.stage.expire(present)
                for txid in txids:
                    self.stage.wait_status(self.name, txid, ("evicted", "replaced", "conflicted"))
        self.stage.caught_up()

    def _see(self, name: str) -> None:
        txid = self.stage.send_or_mine(self.raws[name])
        self.stage.wait_status(self.name, txid, ("seen", "confirmed"))

    def new_kinds(self) -> list[str]:
        kinds = [event["kind"] for event in self.stage.told(self.name, self.seq)]
        self.seq = self.stage.last_seq()
        return kinds


def fund_script(node):
    return Signer(node).script


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_g1_g2_g3_a_scenario_goes_on_a_node_as_the_table_says(stage, actors, row):
    play = Play(stage, actors[row["id"]], row["transactions"])
    for step in row["steps"]:
        for verb in step["do"].split(", "):
            if verb == "drop A" and any(f"{word} X" in step["do"] for word in ("see", "mine")):
                continue  # X spends the coin of A, so A goes by itself
            play.do(*verb.split())
        if "X" in step["do"]:
            stage.wait_status(play.name, play.txids["A"], ("replaced", "conflicted"))
        wait_until(lambda step=step: stage.state(play.name) == step["state"], f"{step['state']} after {step['do']}")
        assert sorted(play.new_kinds()) == sorted(step.get("says", [])), step
