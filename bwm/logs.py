"""Where log lines go and how they look: for a person at a terminal, or for journald and programs."""

import logging
import re
import sys
from typing import TextIO

from bwm.lean import put_off, without

# Ways to show exceptions and to log that are not ours: see below.
with without("rich"), put_off("asyncio"):
    import structlog
    from structlog.typing import EventDict, Processor, WrappedLogger

# Below WARNING these print what must stay secret: tokens in URLs, message bodies, RPC parameters, watched keys.
_TALKATIVE = ("apprise", "urllib3", "BitcoinRPC", "peewee")

_AFTER_SCHEME = re.compile(r"(?<=://)\S+")

# sd-daemon(3): journald takes the number in front of a line as its priority.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def set_up(level: int, stream: TextIO | None = None) -> None:
    """Send our log lines and those of the libraries to ``stream`` (standard error), from ``level`` up."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_logger, *shared, _hide_urls],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(stream)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _renderers(stream: TextIO) -> list[Processor]:
    if stream.isatty():
        # Not structlog's own way with exceptions: it shows the values of variables, and so secrets.
        return [
            structlog.dev.ConsoleRenderer(
                timestamp_key="at", exception_formatter=structlog.dev.plain_traceback, pad_event_to=20
            )
        ]
    logfmt = structlog.processors.LogfmtRenderer(key_order=["at", "level", "event"], bool_as_flag=False)

    def with_priority(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = _PRIORITIES.get(event["level"], _PRIORITIES["info"])
        return f"<{priority}>{logfmt(logger, method, event)}"

    return [with_priority]


def _name_logger(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A library's line says whose it is."""
    event["logger"] = event["_record"].name
    return event


def _hide_urls(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A library's line, or its traceback, may hold a URL, and the URL a token."""
    for key in ("event", "exception"):
        if key in event:
            event[key] = _AFTER_SCHEME.sub("***", str(event[key]))
    return event
