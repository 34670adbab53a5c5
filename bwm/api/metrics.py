"""Numbers for Prometheus: made anew for each look, from the database and the daemon, with nobody's name in them."""

import time

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bwm.api.v1.operation import Surroundings
from bwm.db import alerts, channel_outcomes, cursor, raw, vaults


class _Numbers(Collector):
    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def collect(self) -> list[GaugeMetricFamily]:
        at = cursor.at()
        numbers = {
            "bwm_up": ("Whether no trigger can pass unseen now.", float(self._around.is_up())),
            "bwm_height": ("The last block that was processed.", float(at.height if at else 0)),
            "bwm_vaults": ("Vaults that are watched.", float(vaults.count())),
            "bwm_triggers": ("Triggers that are watched.", float(vaults.count_triggers())),
            "bwm_open_alerts": ("Alerts that wait for a person.", float(alerts.count_open())),
            "bwm_push_devices": (
                "Telephones of wallets that can be told.",
                _count("rewind_device", "retired_at IS NULL"),
            ),
            "bwm_push_failing": ("Push messages that could not be sent yet.", _count("rewind_push", "failures > 0")),
            "bwm_time_seconds": ("This machine's clock.", time.time()),
        }
        families = []
        for name, (words, value) in numbers.items():
            family = GaugeMetricFamily(name, words)
            family.add_metric([], value)
            families.append(family)
        healthy = GaugeMetricFamily("bwm_channel_healthy", "Whether the last message left.", labels=["channel"])
        for channel in self._around.config.channels:
            healthy.add_metric([channel.name], float(not channel_outcomes.is_failing(channel.name)))
        return [*families, healthy]


def _count(table: str, condition: str) -> float:
    return float(raw.rows(f"SELECT COUNT(*) FROM {table} WHERE {condition}")[0][0])  # noqa: S608 (words of ours)


def text(around: Surroundings) -> bytes:
    """In Prometheus' text format. Call inside a database connection."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(around))
    return generate_latest(registry)
