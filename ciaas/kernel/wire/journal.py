"""What a device tells about itself: log lines, and the output of a job it was asked to run."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ciaas.kernel.wire.document import Tree, WireError, is_text
from ciaas.kernel.wire.reading import check_timestamp


class LogLevel(StrEnum):
    """Levels of a device's log, most silent first."""

    OFF = "OFF"
    FATAL = "FATAL"
    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"
    ALL = "ALL"


class LogLine(NamedTuple):
    """One line of a device's log. ``timestamp`` is UNIX seconds by the device's clock."""

    level: LogLevel
    timestamp: float
    message: str
    logger: str
    source: str


class ExecOutput(NamedTuple):
    """One line that a job wrote."""

    correlation_id: str
    data: str


def read_log(tree: Tree) -> LogLine:
    """Return the line of a ``@logs`` message.

    Raises:
        WireError: level, timestamp or message is missing or of no use.
    """
    level, message = tree.get("level"), tree.get("message")
    if not isinstance(level, str) or level not in LogLevel.__members__:
        raise WireError(f"the level has to be one of {', '.join(LogLevel)}")
    timestamp = check_timestamp(tree.get("timestamp"))
    if timestamp is None or not is_text(message):
        raise WireError("a log line needs a timestamp and a message")
    logger, source = tree.get("loggerName"), tree.get("logSource")
    return LogLine(
        LogLevel[level],
        timestamp,
        message,
        logger if is_text(logger) else "",
        source if is_text(source) else "",
    )


def read_output(tree: Tree) -> ExecOutput:
    """Return the line of an ``@execOutput`` message.

    Raises:
        WireError: ``correlationID`` or ``data`` is no text.
    """
    correlation, data = tree.get("correlationID"), tree.get("data")
    if not is_text(correlation) or not is_text(data):
        raise WireError("an output needs a correlationID and data, both text")
    return ExecOutput(correlation, data)
