"""One setup of logging for all our processes: lines for people, or ECS in JSON for machines (SOC_LOG=json). 日志

https://www.elastic.co/docs/reference/ecs/logging/intro: a line is one object with @timestamp, log.level, message and
ecs.version; what a record carries as `extra={"ecs": {…}}` stands beside them under its ECS names.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

import orjson

ECS = "9.4.0"
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
CHATTY = ("alembic.runtime.plugins", "apscheduler", "elastic_transport", "httpx")  # else some lines a second, for years
Form = Literal["text", "json"]


class Json(logging.Formatter):
    """A record as one line of JSON. Never raises: what cannot be written as it is, is written as text."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "log.level": record.levelname.lower(), "message": _message(record), "ecs.version": ECS,
            "log.logger": record.name, "process.pid": record.process, "process.thread.name": record.threadName,
            "service.name": "citysoc", "service.node.roles": [self.service],
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, _ = record.exc_info
            line |= {"error.type": kind.__name__, "error.message": str(error),
                     "error.stack_trace": "".join(traceback.format_exception(*record.exc_info))}
        more = getattr(record, "ecs", None)
        if isinstance(more, dict):
            line = {**more, **line}
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _message(record: logging.LogRecord) -> str:
    try:
        found = record.getMessage()
    except (TypeError, ValueError):  # a message whose arguments do not fit it
        found = f"{record.msg} {record.args}"
    return found.encode("utf-8", "replace").decode()


def form() -> Form:
    """What SOC_LOG asks for. Raises ValueError on anything else than text and json."""
    said = os.environ.get("SOC_LOG", "text") or "text"
    if said == "json":
        return "json"
    if said == "text":
        return "text"
    raise ValueError(f"SOC_LOG is text or json, not {said!r}")


def setup(service: str, stream: TextIO | None = None) -> None:
    """Log to the stream (standard error) from now on. SOC_TRACE=1 logs the trace of every step, too."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json(service) if form() == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if os.environ.get("SOC_TRACE"):
        logging.getLogger("soc.trace").setLevel(logging.DEBUG)
    threading.excepthook = _uncaught
    if form() == "json":  # then nothing is to be a line of another form
        sys.excepthook = _ended
        logging.captureWarnings(True)


def complain(sentence: str) -> None:
    """The sentence that a process ends with, on standard error: for people, or as a line of its log."""
    if os.environ.get("SOC_LOG") == "json":  # not `form`: what is wrong may be SOC_LOG itself
        record = logging.LogRecord("soc", logging.CRITICAL, "", 0, sentence, (), None)
        print(Json("soc").format(record), file=sys.stderr)
    else:
        print(f"soc: {sentence}", file=sys.stderr)


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The process ends by an error of ours."""
    logging.getLogger("soc").critical("ended: %s", error, exc_info=(kind, error, trace))


def _uncaught(args: threading.ExceptHookArgs) -> None:
    """A thread that ends by an error says so as everything else does."""
    if args.exc_value is not None:
        told = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("soc").error("a thread has ended: %s", args.exc_value, exc_info=told)
