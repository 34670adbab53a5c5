"""Urgency: every service of the table is really told, in its own words; what the operator set stays."""

from typing import Any

import pytest

from bwm.channels.sending.urgency import HIGHEST, with_urgency

URLS = {
    "bark": ("bark://127.0.0.1/key", "level"),
    "gotify": ("gotify://127.0.0.1/token", "priority"),
    "ilert": ("ilert://il1234567890", "priority"),
    "join": ("join://abcdefghijklmnopqrstuvwxyz012345/device", "priority"),
    "ntfy": ("ntfy://127.0.0.1/topic", "priority"),
    "opsgenie": ("opsgenie://8b799edf-6f98-4d3a-9be7-2862fb4e5752", "priority"),
    "pagerduty": ("pagerduty://integrationkey@apikey", "severity"),
    "pover": ("pover://uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu@tttttttttttttttttttttttttttttt", "priority"),
    "prowl": ("prowl://kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", "priority"),
    "psafer": ("psafer://kkkkkkkkkkkkkkkkkkkk", "priority"),
}


def plugin(service: str, severity: str) -> Any:
    # Imported here: it loads all of Apprise, which no other test of this folder needs.
    from bwm.channels.sending.apprise_sender import plugin_for

    url = URLS[service][0]
    return plugin_for(
        {"order": "send", "url": url, "severity": severity, "alert": "a1", "proxy": "", "title": "", "body": ""}
    )


def told(service: str, severity: str) -> Any:
    return getattr(plugin(service, severity), URLS[service][1])


@pytest.mark.parametrize("service", HIGHEST)
def test_a_service_is_told_more_for_an_emergency_than_for_a_warning(service: str) -> None:
    assert told(service, "emergency") != told(service, "warning")
    assert told(service, "emergency") == told(service, "critical")


def test_pushover_rings_until_it_is_acknowledged_on_the_phone() -> None:
    pover = plugin("pover", "emergency")
    assert (pover.priority, pover.interval, pover.expire) == (2, 30, 10800)


@pytest.mark.parametrize(
    ("url", "schema", "severity", "changed"),
    [
        ("ntfy://host/topic", "ntfy", "emergency", "ntfy://host/topic?priority=max"),
        ("ntfys://host/topic", "ntfys", "emergency", "ntfys://host/topic?priority=max"),
        ("ntfy://host/topic?verify=no", "ntfy", "high", "ntfy://host/topic?verify=no&priority=high"),
        ("ntfy://host/topic?priority=low", "ntfy", "emergency", "ntfy://host/topic?priority=low"),
        ("pover://u@t?priority=1", "pover", "emergency", "pover://u@t?priority=1&interval=30&expire=10800"),
        ("ntfy://host/topic", "ntfy", "info", "ntfy://host/topic"),
        ("json://host", "json", "emergency", "json://host"),
    ],
)
def test_only_what_is_missing_is_added(url: str, schema: str, severity: str, changed: str) -> None:
    assert with_urgency(url, schema, severity) == changed
