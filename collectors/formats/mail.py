"""Mail servers over syslog: Postfix, Dovecot, Exim and Sendmail; who connects, logs in, sends, and is refused.

https://www.postfix.org/OVERVIEW.html and https://doc.dovecot.org/main/core/admin/logging.html. Names, HELO and senders
are foreign text: the client is the address that the server itself wrote in brackets, or as `rip=` outside of the name.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from collectors.formats import _service
from collectors.formats._service import Service
from collectors.formats._text import Shape
from soc_core.protocols import Context, Parsed

PROGRAMS = ("postfix", "dovecot", "exim", "sendmail", "opendkim", "opendmarc")
QUEUE = r"(?:(?P<email.local_id>[0-9A-Za-z]{6,20}): )?"
CLIENT = r"(?P<source.domain>[^\s\[\]]+)\[(?P<source.address>[0-9A-Fa-f.:]+)\](?::(?P<source.port>\d{1,5}))?"
MARK = (
    r"(?:dis)?connect from \S+\[|(?:[0-9A-Za-z]{6,20}|NOQUEUE): |lost connection after |warning: \S+\[|too many "
    r"errors after"
    r"|(?:imap|pop3|managesieve|submission|lmtp)(?:-login)?(?:\([^)]{1,200}\))?(?:<[^>]{1,64}>)*: |auth(?:-worker)"
    r"?(?:\(\S+\))?: "
    r"|PREGREET|CONNECT from|statistics: |\(.{0,64}\) "
)
POSTFIX = {"event.module": "postfix", "event.dataset": "postfix.log", "service.type": "postfix"}
DOVECOT = {"event.module": "dovecot", "event.dataset": "dovecot.log", "service.type": "dovecot"}
LINK = {"event.category": ["network", "email"], "event.type": ["connection", "start"], "event.action": "connect"}
LOGIN = {"event.category": ["authentication", "email"], "event.type": ["start"], "event.action": "login"}
MAIL = {"event.category": ["email"], "event.type": ["info"]}
# the name in angle brackets may hold anything but a bracket; the address stands behind it
DOVE = r"^(?P<network.protocol>[a-z0-9]+)-login: "
WHO = (r"user=<(?P<user.name>[^>]*)>.*?, rip=(?P<source.address>[0-9A-Fa-f.:]+)"
       r"(?:, lip=(?P<destination.address>[0-9A-Fa-f.:]+))?")
SHAPES = (
    Shape("connect from ", r"^connect from " + CLIENT, POSTFIX | LINK | {"event.outcome": "success"}),
    Shape("disconnect from ", r"^disconnect from " + CLIENT,
          POSTFIX | LINK | {"event.type": ["connection", "end"], "event.action": "disconnect",
                            "event.outcome": "success"}),
    Shape("lost connection ", r"^lost connection after (?P<event.reason>[A-Z-]{1,20})(?: \([^)]*\))? from " + CLIENT,
          POSTFIX | LINK | {"event.type": ["connection", "end"], "event.action": "lost", "event.outcome": "failure"}),
    Shape("warning: ", r"^warning: " + CLIENT + r": SASL (?P<event.reason>\S+ authentication failed)(?:.*?"
          r", sasl_username=(?P<user.name>\S+)$)?", POSTFIX | LOGIN | {"event.outcome": "failure"}),
    Shape("", r"^(?:[0-9A-Za-z]{6,20}|NOQUEUE): reject: \S+ from " + CLIENT + r": (?P<smtp_>\d{3}) "
        r"(?P<event.reason>[^;]*)",
          POSTFIX | MAIL | {"event.type": ["denied"], "event.outcome": "failure", "event.action": "reject"}),
    Shape("", "^" + QUEUE + r"client=" + CLIENT + r"(?:, sasl_method=[A-Z0-9-]+)?, sasl_username=(?P<user.name>\S+)$",
          POSTFIX | LOGIN | {"event.outcome": "success"}),
    Shape("", "^" + QUEUE + r"client=" + CLIENT,
          POSTFIX | MAIL | {"event.action": "receive", "event.outcome": "success"}),
    Shape("", "^" + QUEUE + r"(?:resent-)?message-id=<?(?P<email.message_id>[^>\s]*)>?",
          POSTFIX | MAIL | {"event.action": "cleanup", "event.outcome": "success"}),
    Shape("", "^" + QUEUE + r"from=<(?P<email.from.address>[^>]*)>, size=(?P<size_>\d+)",
          POSTFIX | MAIL | {"event.action": "queue", "event.outcome": "success"}),
    Shape("", "^" + QUEUE + r"to=<(?P<email.to.address>[^>]*)>,.*? relay=(?P<destination.domain>[^\s\[,]+)"
          r"(?:\[(?P<destination.address>[0-9A-Fa-f.:]+)\](?::(?P<destination.port>\d+))?)?,.* status=(?P<status_>\w+)"
          r"(?: \((?P<event.reason>.*)\))?$", POSTFIX | MAIL | {"event.action": "deliver"}),
    Shape("", "^" + QUEUE + r"removed$", POSTFIX | MAIL | {"event.action": "removed", "event.outcome": "success"}),
    Shape("", DOVE + r"Login: " + WHO, DOVECOT | LOGIN | {"event.outcome": "success"}),
    Shape("", DOVE + r"(?:Disconnected|Aborted login)[^(]{0,40}\((?P<event.reason>(?:auth failed|tried to use|no "
                     r"auth|client "
          r"didn't)[^)]*)\): " + WHO, DOVECOT | LOGIN | {"event.outcome": "failure"}),
    Shape("", DOVE, DOVECOT | LINK | {"event.type": ["connection", "info"]}),
    Shape("", r"^(?P<network.protocol>imap|pop3|lmtp|managesieve)\((?P<user.name>[^)]*)\)",
          DOVECOT | {"event.category": ["session", "email"], "event.type": ["info"]}),
    Shape("", r"^auth(?:-worker)?(?:\(\S+\))?: ", DOVECOT | LOGIN | {"event.type": ["info"]}),
)
FIXED = {"event.kind": "event", "event.module": "mail", "event.dataset": "mail.log", "service.type": "mail",
    "event.category": ["email"], "event.type": ["info"]}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message is one event; lines of other kinds are faults."""
    return _service.parse(lines, ctx, SERVICE)


def sniff(lines: Sequence[bytes]) -> float:
    """Nothing for sure: what stands in front, the program's name, tells mail from other syslog."""
    return 0.0


def _polish(frame: pl.DataFrame, own: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    if "source.domain" in frame.columns:
        frame = frame.with_columns(frame["source.domain"].set(frame["source.domain"] == "unknown", None))
    if "status_" in own.columns:
        done = own["status_"].replace_strict({"sent": "success", "deferred": "failure", "bounced": "failure",
            "expired": "failure", "undeliverable": "failure"}, default="unknown", return_dtype=pl.String)
        frame = frame.with_columns(done.alias("event.outcome"))
    if "size_" in own.columns:
        frame = frame.with_columns(own["size_"].cast(pl.Int64, strict=False).alias("source.bytes"))
    return frame


SERVICE = Service(MARK, SHAPES, FIXED, "no message of a mail server", _polish)
