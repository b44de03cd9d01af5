"""What PAM modules write inside any program's log lines: authentication failures, sessions, changed passwords.

`ruser` and `user` come from the other end: an address is taken from `rhost` only where its place is certain.
"""

from __future__ import annotations

from collectors.formats._text import Shape

HEAD = r"^(?:pam_\w+\((?P<system.auth.pam.service>[^:)]*)(?::\w+)?\):|\(pam_unix\)) "
BARE = r"^(?:pam_\w+\((?P<system.auth.pam.service>[^:)]*)(?::\w+)?\): |\(pam_unix\) )?"
START = ("pam_", "(pam_unix) ", "authentication failure; ", "session opened for user ", "session closed for user ",
         "check pass; ", "password changed for ")
MORE = r"^PAM (?P<system.auth.pam.more>\d+) more authentication failures?; logname=\S* uid=\d* euid=\d* tty=\S* "
CHECK = r"authentication failure; logname=.{0,64}? uid=\d* euid=\d* tty=\S* "
FAILED = {
    "event.category": ["authentication"], "event.type": ["info"], "event.outcome": "failure",
    "event.action": "pam_authentication",
}
OPENED = {
    "event.category": ["session"], "event.type": ["start"], "event.outcome": "success",
    "event.action": "session_opened",
}
CLOSED = {"event.category": ["session"], "event.type": ["end"], "event.action": "session_closed"}
HOST = r"rhost=(?P<source.address>\S*)"
NAMES = (
    rf"ruser= {HOST}(?:\s+user=(?P<user.name>.*?))?\s*$",
    rf"ruser=(?P<source.user.name>\S+) {HOST}(?:\s+user=(?P<user.name>\S*))?\s*$",
    rf"ruser=(?P<source.user.name>.*) {HOST}(?:\s+user=(?P<user.name>\S*))?\s*$",
)

SHAPES: tuple[Shape, ...] = (
    *(Shape(START, BARE + CHECK + names, FAILED) for names in NAMES),
    *(Shape("PAM ", MORE + names, FAILED) for names in NAMES),
    Shape(START,
          BARE + r"session opened for user (?P<user.effective.name>[^\s(]+)(?:\(uid=\d+\))? by (?P<user.name>[^\s(]+)?"
          r"\s?\(uid=(?P<user.id>\d+)\)\s*$", OPENED),
    Shape(START, BARE + r"session closed for user (?P<user.name>\S+)\s*$", CLOSED),
    Shape(START, BARE + r"password changed for (?P<user.target.name>\S+)\s*$",
          {"event.category": ["iam"], "event.type": ["user", "change"], "event.outcome": "success",
          "event.action": "changed-password"}),
    Shape(START, BARE + r"(?P<event.reason>check pass); user unknown\s*$", FAILED),
    Shape("pam_", r"^pam_(?:tally2?|faillock)\(\S+\): user (?P<user.name>.*) \(\d+\) (?P<event.reason>tally \d+, "
                  r"deny \d+)$",
          FAILED),
    Shape("pam_", HEAD + r'(?P<event.reason>requirement ".*" not met) by user "(?P<user.name>.*)"$', FAILED),
    Shape("pam_", HEAD + r"(?P<message_>.*)$", {}),
)
