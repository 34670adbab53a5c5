"""What bwm covers right now, told from the database and the node, whether or not the daemon runs."""

from typing import Any

from bwm import __version__
from bwm.channels import why_refused
from bwm.clock import rfc3339
from bwm.config import Config
from bwm.config_channels import ChannelConfig
from bwm.daemon import keepsake, progress
from bwm.daemon.checking_in import standing_of
from bwm.daemon.connect import connect
from bwm.daemon.lock import has_started, is_held
from bwm.daemon.watch_health import CAUGHT_UP, SEEN_AT, STUCK_S, TOPICS, stored
from bwm.daemon.watch_proofs import is_unproved
from bwm.db import alerts, backlog, blindness, channel_outcomes, cursor, outbox, settings, vaults
from bwm.errors import DatabaseTrouble, NodeError
from bwm.health import Troubles, blind_since, condition_of
from bwm.node.answers import NodeInfo

_NAMED = 3  # owners whose past is still being read; the others are counted


def status(config: Config, now: int) -> dict[str, Any]:
    """One document; see the README for its fields. Call inside a database connection."""
    running = is_held(config.state_dir)
    refused = [] if running else _refused(config, now)
    info, error = _ask(config)
    troubles = stored() if running else {}
    at = cursor.at()
    waiting = _waiting(now)
    topics = (settings.read(TOPICS) or "").split() if running else []
    is_reading = bool(progress.told("chain", now))  # for long perhaps, and blind until it has caught up
    is_stuck = running and not is_reading and now - (_last_seen() or now) > STUCK_S
    blind = blind_since(troubles) if running and not is_stuck else _last_seen()
    is_near = info is not None and at is not None and at.height >= info.height - 1
    up_to_date = is_near and has_started(config.state_dir) and bool(settings.read(CAUGHT_UP))
    return {
        "network": config.network,
        "version": __version__,
        "running": running,
        "node": {
            "reachable": info is not None,
            "height": info.height if info else None,
            "hash": info.hash if info else None,
            "tip_age_s": max(0, now - info.tip_time) if info else None,
            "syncing": info.initial_block_download if info else None,
            "error": error,
        },
        "feed": {"connected": bool(topics) and "feed" not in troubles, "topics": topics},
        "cursor": {"height": at.height, "hash": at.hash} if at else None,
        "covered": running and up_to_date and blind is None and not waiting,
        "not_covered": _gaps(running, refused, is_stuck, up_to_date, troubles, waiting, now),
        "blind_since": rfc3339(blind) if blind is not None else None,
        "unwatched_s": blindness.of_vaults(now, blind),
        "vaults": vaults.count(),
        "triggers": vaults.count_triggers(),
        "open_alerts": alerts.count_open(),
        "check_in": standing_of(config.check_in, now) if config.check_in else None,
        "channels": [_channel(channel, config.alerts.prove_every_s, now) for channel in config.channels],
    }


def _last_seen() -> int | None:
    seen_at = settings.read(SEEN_AT)
    return int(seen_at) if seen_at else None


def _refused(config: Config, now: int) -> list[str]:
    """What would keep the daemon from starting, in words."""
    refused = [words for channel in config.channels if (words := why_refused(channel))]
    try:
        keepsake.look_back(config.state_dir, config.network, now)
    except DatabaseTrouble as error:
        refused.append(str(error))
    return refused


def _ask(config: Config) -> tuple[NodeInfo | None, str | None]:
    try:
        return connect(config).info(), None
    except NodeError as error:
        return None, str(error)


def _gaps(
    running: bool,
    refused: list[str],
    is_stuck: bool,
    up_to_date: bool,
    troubles: Troubles,
    waiting: list[str],
    now: int,
) -> list[str]:
    """What is not watched now, in words; empty when everything is."""
    gaps = [] if running else ["the daemon does not run: start it with `bwm run` or systemd", *refused]
    if is_stuck:
        gaps.append("the daemon runs and makes no step: it is paused or hangs, end it and start it anew")
    if running and not up_to_date:
        gaps.append("bwm has not caught up with the node yet" + progress.told("chain", now))
    gaps += [condition_of(name).words for name in troubles]
    return gaps + waiting


def _waiting(now: int) -> list[str]:
    """Whose past is not read yet, in one sentence; empty when everybody's is."""
    names, count = backlog.waiting(_NAMED)
    if not names:
        return []
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return [f"the past of {', '.join(names)}{more} is still being read" + progress.told("backlog", now)]


def _channel(settings: ChannelConfig, prove_every_s: int, now: int) -> dict[str, Any]:
    name = settings.name
    delivered_at = outbox.last_delivered_at(name)
    return {
        "name": name,
        "healthy": why_refused(settings) is None and not channel_outcomes.is_failing(name),
        "proved": not is_unproved(name, prove_every_s, now),
        "last_delivered_at": rfc3339(delivered_at) if delivered_at is not None else None,
    }
