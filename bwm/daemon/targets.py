"""Whom the configuration has told of alerts, as the database must know it."""

from bwm.config import Config
from bwm.db.alerts import Target


def targets_of(config: Config) -> list[Target]:
    """One for each channel."""
    settings = config.alerts
    return [
        Target(channel.name, channel.min_severity, channel.people, settings.ladder, settings.quiet)
        for channel in config.channels
    ]
