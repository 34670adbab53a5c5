"""Whom the configuration has told of alerts, as the database must know it."""

from bwm.config import Config
from bwm.db.alerts import Target
from bwm.severity import Severity


def targets_of(config: Config) -> list[Target]:
    """One for each channel."""
    settings = config.alerts
    return [
        Target(channel.name, channel.min_severity, channel.people, settings.ladder, settings.quiet)
        for channel in config.channels
    ]


def to_everybody(config: Config) -> list[Target]:
    """One for each channel, at once, however grave it must be for the channel at other times."""
    return [Target(channel.name, Severity.INFO) for channel in config.channels]
