"""Bugs planted in policies and responses. Importing this file adds them to the others."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from bwm.daemon import follow_response, push_response, respond
from bwm.daemon.follow_response import ResponseFollower
from bwm.daemon.push_response import ResponsePusher
from bwm.daemon.respond import Responder
from bwm.daemon.response_book import ResponseBook
from bwm.db import broadcasts
from bwm.policy import condition, judge
from bwm.policy.guard import Answer, Ruling, holds
from bwm.response import ladder
from bwm.response.broadcast import State
from bwm.response.ladder import Choice, choose
from tests.simulation.mutants import MUTANTS, mutant, nothing, planted, yes

__all__ = ["MUTANTS", "planted"]

_GUARD_FACTS = push_response.guard_facts


def _as_if(**known: Any) -> AbstractContextManager[object]:
    """What people said about an order is taken for something else."""
    return patch.object(push_response, "guard_facts", lambda *of: replace(_GUARD_FACTS(*of), **known))


# What may not be sent


@mutant("hold not looked at", "unauthorised")
def _() -> AbstractContextManager[object]:
    return patch.object(push_response.responses, "is_held", lambda: False)


@mutant("disarmed response sent", "unauthorised")
def _() -> AbstractContextManager[object]:
    hindrance = ResponsePusher._hindrance

    def as_if_armed(self: Any, scene: Any, *rest: Any, **options: Any) -> Any:
        return hindrance(self, replace(scene, response=replace(scene.response, armed=True)), *rest, **options)

    return patch.object(ResponsePusher, "_hindrance", as_if_armed)


@mutant("trigger of a response not verified", "unauthorised")
def _() -> AbstractContextManager[object]:
    return patch.object(push_response, "stands", yes)


@mutant("veto not heard", "unauthorised")
def _() -> AbstractContextManager[object]:
    return _as_if(vetoed_by=None)


@mutant("approval not waited for", "unauthorised")
def _() -> AbstractContextManager[object]:
    return _as_if(approved_by="nobody")


@mutant("acknowledgement does not call a response off", "unauthorised")
def _() -> AbstractContextManager[object]:
    return _as_if(true=frozenset())


@mutant("budget of a response not kept", "unauthorised")
def _() -> AbstractContextManager[object]:
    @contextmanager
    def spending() -> Iterator[None]:
        with patch.object(push_response, "limit_of", nothing), patch.object(ladder, "limit_of", nothing):
            yield

    return spending()


@mutant("delay of a response not waited for", "unauthorised")
def _() -> AbstractContextManager[object]:
    due = broadcasts.due
    return patch.object(respond.broadcasts, "due", lambda now: due(now + 3600))


@mutant("policy acts for every vault", "decision")
def _() -> AbstractContextManager[object]:
    return patch.object(condition.Field, "look", lambda self, view: judge.Found(True, "it is"))


@mutant("limit of a policy not kept", "decision")
def _() -> AbstractContextManager[object]:
    act = judge._act
    return patch.object(judge, "_act", lambda policy, view, found, acted: act(policy, view, found, ()))


@mutant("response sent to a node without its chain", "unauthorised")
def _() -> AbstractContextManager[object]:
    hindrance = ResponsePusher._hindrance

    def never_blind(self: Any, *of: Any, **options: Any) -> Any:
        found = hindrance(self, *of, **options)
        return None if found and found[0] == "blind" else found

    return patch.object(ResponsePusher, "_hindrance", never_blind)


# What may not be abandoned


@mutant("response followed only until the next look", "abandoned")
def _() -> AbstractContextManager[object]:
    return patch.object(respond.broadcasts, "live", list)


@mutant("order forgotten when the node fails", "abandoned")
def _() -> AbstractContextManager[object]:
    take = Responder._take

    def hasty(self: Any, order: Any, tip: Any) -> Any:
        with self._database.transaction():
            broadcasts._finish(order.id, broadcasts.OrderState.DONE, None, self._clock.now())
        self._node.tip()  # where the daemon may die, or the node be away
        with self._database.transaction():
            broadcasts.Order.update(state="pending", due_at=self._clock.now()).where(
                broadcasts.Order.id == order.id
            ).execute()
        return take(self, order, tip)

    return patch.object(Responder, "_take", hasty)


@mutant("response that left the mempool not missed", "abandoned", "state")
def _() -> AbstractContextManager[object]:
    look = ResponseFollower.look_at_mempool

    def trusting(self: Any, scene: Any) -> Any:
        return (scene, True) if scene.following.broadcast.state is State.SENT else look(self, scene)

    return patch.object(ResponseFollower, "look_at_mempool", trusting)


@mutant("reorg of a response not noticed", "abandoned")
def _() -> AbstractContextManager[object]:
    look = ResponseFollower.look_at_chain

    def trusting(self: Any, scene: Any) -> Any:
        block = scene.following.broadcast.block
        return self._bury(scene, scene.tip.height - block.height + 1) if block else look(self, scene)

    return patch.object(ResponseFollower, "look_at_chain", trusting)


@mutant("rival of a response in a block not noticed", "abandoned")
def _() -> AbstractContextManager[object]:
    return patch.object(follow_response, "search", lambda node, coins, after, tip: (None, tip))


@mutant("ladder never climbed", "abandoned")
def _() -> AbstractContextManager[object]:
    def lowest(steps: Any, need: Any, current: int | None = None) -> Choice:
        chosen = choose(steps, need, current)
        return chosen if chosen.position is None else Choice(0, "the lowest is enough")

    climb = ResponsePusher._climb

    def one_try(self: Any, scene: Any, first: int, *rest: Any, **options: Any) -> None:
        climb(self, replace(scene, steps=scene.steps[: first + 1]), first, *rest, **options)

    @contextmanager
    def careless() -> Iterator[None]:
        with patch.object(push_response, "choose", lowest), patch.object(ResponsePusher, "_climb", one_try):
            yield

    return careless()


@mutant("refused response never tried again", "abandoned")
def _() -> AbstractContextManager[object]:
    live = [str(state) for state in broadcasts.LIVE if state not in (State.REFUSED, State.WAITING)]
    return patch.multiple(broadcasts, _LIVE=live, _LIVE_MARKS=", ".join("?" * len(live)))


@mutant("order that waits called off", "abandoned")
def _() -> AbstractContextManager[object]:
    def impatient(guard: Any, facts: Any) -> Answer:
        answer = holds(guard, facts)
        return Answer(Ruling.DROP, answer.reason) if answer.ruling is not Ruling.DROP else answer

    return patch.object(respond, "holds", impatient)


@mutant("response buried one block too early", "false")
def _() -> AbstractContextManager[object]:
    look = ResponseFollower.look_at_chain

    def shallow(self: Any, scene: Any) -> Any:
        depth = max(1, scene.response.final_depth - 1)
        return look(self, replace(scene, response=replace(scene.response, final_depth=depth)))

    return patch.object(ResponseFollower, "look_at_chain", shallow)


@mutant("what became of a response not told", "journal")
def _() -> AbstractContextManager[object]:
    tell = ResponseBook._tell

    def quiet(self: Any, before: Any, after: Any, *rest: Any) -> None:
        if after.state is not State.SENT:
            tell(self, before, after, *rest)

    return patch.object(ResponseBook, "_tell", quiet)


@mutant("node asked inside a transaction of a response", "state")
def _() -> AbstractContextManager[object]:
    take = broadcasts.take

    def asking(order: Any, response_id: int, *rest: Any) -> Any:
        for node in nodes:
            node.tip()
        return take(order, response_id, *rest)

    init = Responder.__init__
    nodes: list[Any] = []

    def remembering(self: Any, database: Any, node: Any, *rest: Any, **options: Any) -> None:
        nodes[:] = [node]
        init(self, database, node, *rest, **options)

    @contextmanager
    def locked() -> Iterator[None]:
        with patch.object(Responder, "__init__", remembering), patch.object(respond.broadcasts, "take", asking):
            yield

    return locked()
