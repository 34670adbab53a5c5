"""What policies decide: unknown is neither yes nor no, nothing silences a theft, and what is limited stays so."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.block import BlockRef
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes, VaultFacts
from bwm.plan_policies import PolicyFacts, plan_policies
from bwm.policy.clocktime import TimeOfWeek
from bwm.policy.compose import AtLeast, Not
from bwm.policy.condition import (
    Announced,
    Count,
    Depth,
    Detail,
    Field,
    GuardianIs,
    InFlight,
    PaysOnly,
    Sats,
    Tag,
    Vaults,
)
from bwm.policy.guard import UNLESS, Guard, GuardFacts, Ruling, holds
from bwm.policy.judge import judge
from bwm.policy.rule import AlertStep, DeedStep, Limit, OnError, Plugin, Policy
from bwm.policy.view import Found, Spent, View
from bwm.severity import Severity

NOW = 1_700_000_000  # a Tuesday, 22:13:20 UTC
THEFT = Event(
    fact_key("theft"), "trigger.seen", NOW, "regtest", "", "cold", None, "outpoint", "coin", "ab" * 32, sats=500
)
HOOK = DeedStep("hook", "/bin/true", {"argv": ["/bin/true"], "timeout_s": 10})


class Says:
    """A condition that answers as it was told."""

    words = "as told"

    def __init__(self, truth):
        self._truth = truth

    def look(self, view):
        return Found(self._truth, "as told")


class Broken:
    words = "broken"

    def look(self, view):
        raise ZeroDivisionError


def policy(*steps, name="one", **fields):
    return Policy(name, "1", fields.pop("on", ("trigger.*",)), fields.pop("when", None), steps, **fields)


def view(event=THEFT, **fields):
    return View(event, fields.pop("now", NOW), **fields)


truths = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=5)


@given(truths, st.data())
def test_k_of_n_is_unknown_only_while_the_unknown_could_turn_it(answers, data):
    least = data.draw(st.integers(1, len(answers)))
    truth = AtLeast(least, tuple(map(Says, answers))).look(view()).truth
    worlds = itertools.product(*([answer] if answer is not None else [True, False] for answer in answers))
    possible = {sum(world) >= least for world in worlds}
    assert truth == (possible.pop() if len(possible) == 1 else None)
    negated = Not(AtLeast(least, tuple(map(Says, answers)))).look(view()).truth
    assert negated == (None if truth is None else not truth)


def at(kind, ago, *, txid="cd" * 32, sats=300, vault="cold", key="coin", detail=()):
    event = replace(THEFT, key=fact_key(kind, ago, txid, vault, key), kind=kind, at=NOW - ago, txid=txid, sats=sats)
    return replace(event, vault=vault, trigger_key=key, detail=dict(detail))


BLOCK = BlockRef(100, "00" * 32)
CASES = [
    (Field("vault", ("co*",)), {}, True),
    (Field("vault", ("hot", "warm")), {}, False),
    (Field("guardian", ("*",)), {}, False),
    (Tag(("sav*",)), {"tags": ("savings",)}, True),
    (Tag(("sav*",)), {}, False),
    (Detail("rival", ("true",)), {"event": replace(THEFT, detail={"rival": True})}, True),
    (Detail("rival", ("true",)), {}, False),
    (Sats(500), {}, True),
    (Sats(501), {}, False),
    (Sats(0, 499), {}, False),
    (Sats(1), {"event": replace(THEFT, sats=None)}, None),
    (Sats(501), {"event": replace(THEFT, detail={"vault_sats": 900})}, True),  # by one of several triggers
    (Sats(0, 899), {"event": replace(THEFT, detail={"vault_sats": 900})}, False),
    (Sats(1), {"event": replace(THEFT, sats=None, detail={"vault_sats": 900})}, None),
    (InFlight(800, 60), {"history": [at("trigger.seen", 60)]}, True),
    (InFlight(801, 60), {"history": [at("trigger.seen", 60)]}, False),
    (InFlight(800, 60), {"history": [at("trigger.seen", 61)]}, False),
    (InFlight(800, 60), {"history": [at("trigger.seen", 9), at("trigger.confirmed", 8)]}, True),
    (InFlight(801, 60), {"history": [at("trigger.seen", 9), at("trigger.confirmed", 8)]}, False),
    (InFlight(600, 60), {"history": [at("trigger.seen", 9), at("trigger.replaced", 8)]}, False),
    (InFlight(600, 60), {"history": [at("trigger.seen", 9, sats=None)]}, None),
    (InFlight(500, 60), {"history": [at("trigger.seen", 9, sats=None)]}, True),
    (InFlight(600, 60), {"history": [at("trigger.seen", 9, vault="hot")]}, False),
    (InFlight(800, 60, ("cold", "hot")), {"history": [at("trigger.seen", 9, vault="hot")]}, True),
    (Count(("trigger.seen",), 2, 60), {"history": [at("trigger.seen", 9)]}, True),
    (Count(("trigger.seen",), 2, 60), {"history": [at("trigger.seen", 61)]}, False),
    (Count(("trigger.seen",), 2, 60), {"history": [at("trigger.seen", 9, vault="hot")]}, False),
    (Vaults(("trigger.*",), 2, 60), {"history": [at("trigger.seen", 9), at("trigger.confirmed", 8)]}, False),
    (Vaults(("trigger.*",), 2, 60), {"history": [at("trigger.seen", 9, vault="hot")]}, True),
    (Vaults(("trigger.*",), 2, 60), {"history": [at("trigger.seen", 61, vault="hot")]}, False),
    (Vaults(("trigger.*",), 2, 60), {"history": [at("trigger.seen", 9, vault="hot", detail={"announced": 1})]}, False),
    (Count(("trigger.seen",), 2, 60, True), {"history": [at("trigger.seen", 9, vault="hot")]}, True),
    (Depth(1), {}, False),
    (Depth(3), {"event": replace(THEFT, block=BLOCK), "tip_height": 102}, True),
    (Depth(4), {"event": replace(THEFT, block=BLOCK), "tip_height": 102}, False),
    (PaysOnly(frozenset({b"a"}), True), {"tx": Spent(((b"a", 5), (b"b", 0)))}, True),
    (PaysOnly(frozenset({b"a"}), True), {"tx": Spent(((b"a", 5), (b"b", 1)))}, False),
    (PaysOnly(frozenset({b"a"}), True), {"tx": Spent(((b"a", 5), (b"b", 1)), frozenset({b"b"}))}, True),
    (PaysOnly(frozenset({b"a"}), False), {"tx": Spent(((b"b", 1),))}, True),
    (PaysOnly(frozenset({b"a"}), False), {}, None),
    (PaysOnly(frozenset({b"a"}), True), {"tx": Spent(((b"a", 5),), spent=10)}, True),
    (PaysOnly(frozenset({b"a"}), True), {"tx": Spent(((b"a", 5),), spent=11)}, False),  # to a miner of the thief's
    (PaysOnly(frozenset({b"a"}), False), {"tx": Spent(((b"a", 5), (b"b", 0)), frozenset({b"b"}), 11)}, True),
    (Announced(False), {}, True),
    (Announced(False), {"event": replace(THEFT, detail={"announced": 3})}, False),
    (GuardianIs(("locked",)), {"event": replace(THEFT, detail={"guardian": "locked"})}, True),
    (GuardianIs(("locked",)), {}, False),
    (TimeOfWeek(22 * 60, 23 * 60, (1,), "UTC"), {}, True),
    (TimeOfWeek(23 * 60, 24 * 60, (1,), "Europe/Berlin"), {}, True),  # 23:13 there
    (TimeOfWeek(22 * 60, 6 * 60, (1,), "UTC"), {"now": NOW + 3 * 3600}, True),  # Wednesday, and Tuesday's night
    (TimeOfWeek(22 * 60, 6 * 60, (2,), "UTC"), {"now": NOW + 3 * 3600}, False),
    (TimeOfWeek(0, 24 * 60, (1,), "UTC"), {}, True),
]


@pytest.mark.parametrize(("condition", "fields", "truth"), CASES)
def test_a_condition_answers(condition, fields, truth):
    found = condition.look(view(**fields))
    assert found.truth is truth
    assert found.words
    assert condition.words


@pytest.mark.parametrize("when", [Says(None), Broken()])
@pytest.mark.parametrize(
    ("on_error", "alerts", "deeds"),
    [(OnError.ALERT, [("owner",)], 0), (OnError.ACT, [("owner",)], 1), (OnError.HOLD, [], 0)],
)
def test_who_cannot_tell_does_what_on_error_says(when, on_error, alerts, deeds):
    [judged] = judge([policy(AlertStep(("owner",)), HOOK, when=when, on_error=on_error)], view(), {})
    assert [step.people for step in judged.alerts] == alerts
    assert len(judged.decision.wishes) == deeds
    assert "cannot tell" in judged.decision.reason


def test_a_policy_without_an_alert_that_cannot_tell_alerts_everybody():
    [judged] = judge([policy(HOOK, when=Says(None))], view(), {})
    assert judged.alerts == (AlertStep(),)


def test_what_does_not_hold_decides_nothing():
    assert judge([policy(HOOK, when=Says(False)), policy(HOOK, on=("funds.*",))], view(), {}) == ()


def test_the_order_carries_its_delay_its_guard_and_its_place():
    late = replace(HOOK, after_s=60, unless=("acknowledged",), approval_s=600)
    [judged] = judge([policy(AlertStep(), late)], view(), {})
    [wish] = judged.decision.wishes
    assert (wish.step, wish.delay_s, wish.guard) == (1, 60, Guard(("acknowledged",), NOW + 600))


def test_a_limit_holds_deeds_back_and_never_alerts():
    limited = policy(HOOK, limit=Limit(2, 3600))
    assert judge([limited], view(), {"one": (NOW - 3600, NOW - 10)})[0].decision.wishes
    [judged] = judge([limited], view(), {"one": (NOW - 20, NOW - 10)})
    assert (judged.decision.wishes, judged.alerts) == ((), (AlertStep(),))


def test_a_program_is_asked_first_and_its_answer_makes_the_policy_act():
    asking = policy(AlertStep(), HOOK, plugin=Plugin("/bin/plugin", {"limit": 5}, 7))
    [asked] = judge([asking], view(), {})
    [wish] = asked.decision.wishes
    assert (wish.action, wish.target, wish.arguments["config"], asked.alerts) == (
        "plugin",
        "/bin/plugin",
        {"limit": 5},
        (),
    )

    def answer(kind, **detail):
        about = {"policy": "one", "version": "1", **detail}
        return judge([asking], view(replace(THEFT, kind=kind, detail=about)), {})

    assert answer("plugin.answered", revault=False) == ()
    assert answer("plugin.answered", revault=True, version="2") == ()
    assert [len(one.decision.wishes) for one in answer("plugin.answered", revault=True)] == [1]
    [failed] = answer("plugin.failed")
    assert (failed.decision.wishes, failed.alerts) == ((), (AlertStep(),))


def test_what_came_of_a_deed_leads_to_no_deed_of_its_kind():
    eager = policy(AlertStep(), HOOK, DeedStep("respond", "sweep"), on=("*",))

    def actions(kind):
        return [
            wish.action for one in judge([eager], view(replace(THEFT, kind=kind)), {}) for wish in one.decision.wishes
        ]

    assert actions("hook.failed") == ["respond"]
    assert actions("response.called_off") == ["hook"]
    assert actions("policy.decided") == []


severities = st.sampled_from(list(Severity))
alert_steps = st.builds(AlertStep, st.sampled_from([(), ("owner",), ("family",)]), st.none() | severities)
policies = st.lists(
    st.builds(
        policy,
        alert_steps,
        when=st.sampled_from([None, Says(True), Says(False), Says(None), Broken()]),
        on_error=st.sampled_from(list(OnError)),
        instead=st.booleans(),
    ),
    max_size=4,
)
details = st.sampled_from([{}, {"guardian": "locked"}, {"guardian": "unlocked"}])


@given(policies, severities, details)
def test_no_policies_make_a_theft_silent(rules, usual, detail):
    rules = [replace(rule, name=str(number)) for number, rule in enumerate(rules)]
    theft = replace(THEFT, detail=detail)
    floor = Severity.EMERGENCY if detail.get("guardian") == "locked" else Severity.WARNING
    usual = max(usual, floor, key=lambda one: one.rank)
    before = Changes((theft,), alerts=(AlertChange("case", theft, usual),))
    after = plan_policies(before, rules, PolicyFacts("regtest", vaults={"cold": VaultFacts(usual)}), NOW)
    [alert] = after.alerts
    assert alert.severity.rank >= floor.rank
    if not any(rule.instead for rule in rules):
        assert alert.severity.rank >= usual.rank
    assert plan_policies(before, rules, PolicyFacts("regtest", vaults={"cold": VaultFacts(usual)}), NOW) == after


def test_history_that_is_read_for_a_new_vault_leads_to_nothing():
    old = replace(THEFT, kind="trigger.final", trigger_kind="script", block=BLOCK)
    facts = PolicyFacts("regtest", vaults={"cold": VaultFacts(registered_height=200)})
    assert plan_policies(Changes((old,)), [policy(HOOK)], facts, NOW).decisions == ()


def test_what_was_done_while_the_clock_ran_years_ahead_holds_nothing_back():
    limited = policy(HOOK, limit=Limit(2, 3600))
    ahead = NOW + 10 * 365 * 86_400
    assert judge([limited], view(), {"one": (ahead, ahead + 1)})[0].decision.wishes
    assert not judge([limited], view(), {"one": (NOW + 5, NOW + 6)})[0].decision.wishes  # a clock corrected by seconds


def test_a_limit_counts_within_one_step():
    thefts = tuple(replace(THEFT, key=fact_key(n), txid=f"{n:064}") for n in range(3))
    after = plan_policies(Changes(thefts), [policy(HOOK, limit=Limit(2, 60))], PolicyFacts("regtest"), NOW)
    assert [len(one.wishes) for one in after.decisions] == [1, 1, 0]


def test_to_ask_a_program_does_not_use_a_limit_up():
    thefts = tuple(replace(THEFT, key=fact_key(n), txid=f"{n:064}") for n in range(3))
    said = {"policy": "one", "version": "1", "revault": True}
    saved = replace(THEFT, key=fact_key("said"), kind="plugin.answered", detail=said)
    asking = policy(HOOK, plugin=Plugin("/bin/plugin"), limit=Limit(1, 60))
    after = plan_policies(Changes((*thefts, saved)), [asking], PolicyFacts("regtest"), NOW)
    assert [[wish.action for wish in one.wishes] for one in after.decisions] == [["plugin"]] * 3 + [["hook"]]


facts = st.builds(
    GuardFacts,
    now=st.integers(0, 100),
    true=st.frozensets(st.sampled_from(list(UNLESS))),
    approved_by=st.none() | st.just("alice"),
    vetoed_by=st.none() | st.just("bob"),
)
guards = st.builds(
    Guard, st.lists(st.sampled_from(list(UNLESS)), max_size=3).map(tuple), st.none() | st.integers(0, 100)
)


@given(guards, facts)
def test_a_guard_lets_nothing_pass_that_a_person_or_a_condition_forbids(guard, now):
    answer = holds(guard, now)
    assert answer.reason
    if now.vetoed_by or now.true & set(guard.unless):
        assert answer.ruling is Ruling.DROP
    elif guard.approve_by is None or now.approved_by:
        assert answer.ruling is Ruling.GO
    else:
        assert answer.ruling is (Ruling.DROP if now.now > guard.approve_by else Ruling.WAIT)
    assert Guard.from_json(guard.as_json()) == guard
