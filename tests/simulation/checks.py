"""Every comparison between what bwm knows and what is true."""

import json
from collections.abc import Callable, Iterator

from tests.simulation import check_alerts, check_chain, check_guardians, check_policies, check_responses
from tests.simulation.facts import Facts, Violation

Check = Callable[[Facts], Iterator[Violation]]


def bwm_can_see(facts: Facts) -> Iterator[Violation]:
    """No trouble is left but one that was not healed."""
    found = facts.rows("SELECT value FROM setting WHERE name = 'troubles'")
    troubles = set(json.loads(found[0].value)) if found else set()
    allowed = set()
    if facts.tower.feed.is_dead:
        allowed.add("feed")
    if facts.tower.clock.offset < -7000:
        allowed.add("clock")
    if facts.tower.has_jumped_far:  # by that clock a channel has told nothing for years
        allowed |= {trouble for trouble in troubles if trouble.startswith("unproved/")}
    for channel in facts.tower.channels:
        if channel.sendings and (channel.sendings[-1].doubtful or not channel.sendings[-1].arrived):
            allowed.add(f"channel/{channel.name}")  # there was nothing to tell since
    if troubles - allowed:
        yield Violation("state", f"still in trouble after everything healed: {sorted(troubles - allowed)}")


def blindness_is_told(facts: Facts) -> Iterator[Violation]:
    """The node has been silent for minutes: the trouble is written down, and told."""
    found = facts.rows("SELECT value FROM setting WHERE name = 'troubles'")
    trouble = json.loads(found[0].value).get("node") if found else None
    if not trouble or not trouble["told"]:
        yield Violation("loss", f"the node is away, and nobody was told: {trouble}")


def nobody_is_called_silent(facts: Facts) -> Iterator[Violation]:
    """I10: whatever the clock says and however often bwm dies, the time to check in is not over."""
    for event in facts.events:
        if event.kind.startswith("deadman."):
            yield Violation("false act", f"{event.kind} though nobody is late")


def no_question_inside_a_transaction(facts: Facts) -> Iterator[Violation]:
    """A transaction holds writes only: whoever waits for the node in it locks everybody else out."""
    if facts.tower.node.asked_in_transaction:
        yield Violation("state", "the node was asked inside a transaction")


WHEN_HEALED: tuple[Check, ...] = (
    check_chain.cursor_stands_at_the_tip,
    check_chain.nothing_was_missed,
    check_chain.sightings_are_true,
    check_chain.journal_tells_each_story,
    check_alerts.every_event_has_its_alert,
    check_alerts.every_alert_is_told,
    check_alerts.repeats_have_a_reason,
    check_guardians.guardians_are_right,
    check_policies.every_spend_is_decided_on_once,
    check_responses.policies_order_what_they_say,
    check_responses.orders_are_taken,
    check_responses.responses_are_followed,
    bwm_can_see,
    nobody_is_called_silent,
    no_question_inside_a_transaction,
)

AT_ANY_TIME: tuple[Check, ...] = (check_chain.cursor_is_not_ahead,)
