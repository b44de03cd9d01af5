"""What OpenSSH's server writes: one row a kind of message, its pattern's groups named after the columns.

User names come from the other end and may hold anything, an address too. So every address is taken from the place
where sshd itself writes it: the last `from ADDRESS port N` before a fixed ending, or after fixed words.
Messages: https://github.com/openssh/openssh-portable (auth.c, auth2.c, packet.c, sshd-session.c).
"""

from __future__ import annotations

from typing import Any

from collectors.formats._text import Shape

ADDRESS = r"(?P<source.address>[^\s,]+)"
BRACKETED = r"(?P<source.address>[^\s\]]+)"
ENCLOSED = r"(?P<source.address>[^\s)]+)"
PORT = r"(?: port (?P<source.port>\d{1,5}))"
USER = r"(?P<user.name>(?s:.*))"
KIND = r"(?:invalid |illegal |authenticating )?"
LOGIN = {"event.category": ["authentication"], "event.type": ["info"], "event.action": "ssh_login"}
ACCEPTED = LOGIN | {"event.category": ["authentication", "session"], "event.outcome": "success"}
FAILED = LOGIN | {"event.outcome": "failure"}
NETWORK: dict[str, Any] = {"event.category": ["network"], "event.type": ["connection"]}
DROPPED = NETWORK | {"event.type": ["connection", "end"], "event.action": "ssh_disconnect"}
UNKNOWN = DROPPED | {"event.outcome": "failure"}
REFUSED = NETWORK | {"event.type": ["connection", "denied"], "event.outcome": "failure", "event.action": "ssh_refused"}
PROBE = NETWORK | {"event.type": ["connection", "info"], "event.outcome": "failure", "event.action": "ssh_probe"}
NAMED = PROBE | {"event.outcome": "unknown"}  # a name that does not lead back says nothing of a login
# A certificate's id is foreign text: what follows the key type must be one word.
END = r"(?: ssh\d)?(?:: (?P<system.auth.ssh.signature>[A-Z0-9-]+ \S+))?(?: \[preauth\])?$"


def _event(name: str, constants: dict[str, Any]) -> dict[str, Any]:
    return constants | {"system.auth.ssh.event": name}


SHAPES: tuple[Shape, ...] = (
    Shape("Failed ",
          rf"^Failed (?P<system.auth.ssh.method>\S+) for (?:invalid user |illegal user )?{USER} from {ADDRESS}"
          rf"{PORT}{END}", _event("Failed", FAILED)),
    Shape("Failed ",
          rf"^Failed (?P<system.auth.ssh.method>\S+) for (?:invalid user |illegal user )?(?P<user.name>\S*) from "
          rf"{ADDRESS}{PORT}?(?: ssh\d)?(?:: .*)?$", _event("Failed", FAILED)),
    Shape("Accepted ", rf"^Accepted (?P<system.auth.ssh.method>\S+) for {USER} from {ADDRESS}{PORT}{END}",
          _event("Accepted", ACCEPTED)),
    Shape("Accepted ",
          rf"^Accepted (?P<system.auth.ssh.method>\S+) for (?P<user.name>\S*) from {ADDRESS}{PORT}?(?: ssh\d)?"
          r"(?:: (?P<system.auth.ssh.signature>.*))?$", _event("Accepted", ACCEPTED)),
    Shape(("Postponed ", "Partial "),
          rf"^(?:Postponed|Partial) (?P<system.auth.ssh.method>\S+) for (?:invalid user )?{USER} "
          rf"from {ADDRESS}{PORT}?{END}", LOGIN),
    Shape(("Invalid user ", "Illegal user "), rf"^I(?:nvalid|llegal) user {USER} from {ADDRESS}{PORT}?$",
          _event("Invalid", FAILED)),
    Shape("Connection ", rf"^Connection (?:closed|reset) by {KIND}user {USER} {ADDRESS} port (?P<source.port>\d+)"
          r"(?: \[preauth\])?$", DROPPED | {"event.outcome": "failure"}),
    Shape("Connection ", rf"^Connection (?:closed|reset) by {ADDRESS}{PORT}? \[preauth\]$", UNKNOWN),
    Shape("Connection ", rf"^Connection (?:closed|reset) by {ADDRESS}{PORT}?$", DROPPED),
    Shape("Connection from ",
          rf"^Connection from {ADDRESS}{PORT} on (?P<destination.address>\S+) port (?P<destination.port>\d+)",
          NETWORK | {"event.type": ["connection", "start"], "event.action": "ssh_connect"}),
    Shape("Disconnected from ",
          rf"^Disconnected from {KIND}user {USER} {ADDRESS} port (?P<source.port>\d+) \[preauth\]$",
          UNKNOWN),
    Shape("Disconnected from ",
          rf"^Disconnected from {KIND}user {USER} {ADDRESS} port (?P<source.port>\d+)$",
          DROPPED),
    Shape("Disconnected from ", rf"^Disconnected from {ADDRESS}{PORT}? \[preauth\]$", UNKNOWN),
    Shape("Disconnected from ", rf"^Disconnected from {ADDRESS}{PORT}?$", DROPPED),
    Shape("Disconnecting ", rf"^Disconnecting {KIND}user {USER} {ADDRESS} port (?P<source.port>\d+): "
          r"(?P<event.reason>Too many authentication failures|Change of username or service not allowed: .*)"
          r"(?: \[preauth\])?$", FAILED),
    Shape("Disconnecting ", rf"^Disconnecting {ADDRESS} port (?P<source.port>\d+): (?P<event.reason>[^\[]*)", DROPPED),
    # who goes before a login has not logged in
    Shape(("Received disconnect from ", "error: Received disconnect from "),
          rf"^(?:error: )?Received disconnect from {ADDRESS}{PORT}?: ?(?P<event.reason>\d+: .*?) \[preauth\]$",
          UNKNOWN),
    Shape("Disconnecting: ",
          r"^Disconnecting: (?P<event.reason>Too many authentication failures) for (?:invalid user )?"
          rf"{USER}(?: \[preauth\])$", FAILED),
    Shape(("Received disconnect from ", "error: Received disconnect from "),
          rf"^(?:error: )?Received disconnect from {ADDRESS}{PORT}?: ?(?P<event.reason>\d+: .*?)(?: \[preauth\])?$",
          DROPPED),
    Shape(("maximum authentication attempts", "error: maximum authentication attempts"),
          rf"^(?:error: )?(?P<event.reason>maximum authentication attempts exceeded) for (?:invalid user )?{USER} "
          rf"from {ADDRESS} "
          r"port (?P<source.port>\d+)(?: ssh\d)?(?: \[preauth\])?$", FAILED),
    Shape("User ",
          rf"^User {USER} from {ADDRESS} (?P<event.reason>not allowed because (?:not listed in AllowUsers|listed in "
          r"DenyUsers|not in any group|none of user's groups are listed in AllowGroups|a group is listed in DenyGroups|"
          r"user's primary group is in DenyGroups|not in AllowUsers|shell \S+ (?:does not exist|is not executable)|"
          r".{0,80}))"
          r"(?: \[preauth\])?$", FAILED),
    Shape("User ",
          r"^User (?P<user.name>\S+) (?P<event.reason>not allowed because account is locked|not allowed because "
          r".{0,80})$",
          FAILED),
    Shape(("error: PAM: ", "PAM: "),
          rf"^(?:error: )?PAM: (?i:(?P<event.reason>[\w ]+?)) for (?:illegal user |invalid user )?{USER} "
          rf"from {ADDRESS}(?: via \S+)?$", FAILED),
    Shape("ROOT LOGIN REFUSED FROM ", rf"^(?P<event.reason>ROOT LOGIN REFUSED) FROM {ADDRESS}{PORT}?(?: \[preauth\])?$",
          FAILED | {"user.name": "root"}),
    Shape("Did not receive identification string", rf"^Did not receive identification string from {ADDRESS}{PORT}?$",
          PROBE),
    Shape("Bad protocol version identification",
          rf"^Bad protocol version identification '(?s:.*)' from {ADDRESS}{PORT}?$", PROBE),
    Shape(("Unable to negotiate with ", "fatal: Unable to negotiate with "),
          rf"^(?:fatal: )?Unable to negotiate with {ADDRESS}{PORT}?: (?P<event.reason>no matching [^.]*)", REFUSED),
    Shape(("Timeout before authentication for ", "fatal: Timeout before authentication for "),
          rf"^(?:fatal: )?(?P<event.reason>Timeout before authentication) for (?:connection from )?{ADDRESS}"
          rf"(?: to (?P<destination.address>[^\s,]+)|{PORT})?(?:, pid = \d+)?\.?$", REFUSED),
    Shape(("ssh_dispatch_run_fatal: ", "fatal: ssh_dispatch_run_fatal: "),
          rf"^(?:fatal: )?ssh_dispatch_run_fatal: Connection from (?:{KIND}user {USER} )?{ADDRESS} port "
          rf"(?P<source.port>\d+): "
          r"(?P<event.reason>[^\[]*)(?: \[preauth\])?$", PROBE),
    Shape(("banner exchange: ", "error: banner exchange: "),
          rf"^(?:error: )?banner exchange: Connection from {ADDRESS} "
          r"port (?P<source.port>\d+): (?P<event.reason>.*)$", PROBE),
    Shape(("error: kex_exchange_identification: ", "kex_exchange_identification: "),
          r"^(?:error: )?kex_exchange_identification: (?P<event.reason>.*)$", PROBE),
    Shape("refused connect from ", rf"^refused connect from (?:\S+ \()?{ENCLOSED}\)?$", REFUSED),
    Shape("drop connection ", rf"^drop connection #\d+ from \[{BRACKETED}\]:(?P<source.port>\d+) on .* "
          r"(?P<event.reason>\S.*)$", REFUSED),
    Shape("reverse mapping checking getaddrinfo for ", r"^reverse mapping checking getaddrinfo for (?:\S+) "
          rf"\[{BRACKETED}\] (?P<event.reason>failed - POSSIBLE BREAK-IN ATTEMPT)!?$", NAMED),
    Shape("Address ", rf"^Address {ADDRESS} maps to \S+, but this does not map back to the address(?: - "
          r"(?P<event.reason>POSSIBLE BREAK-IN ATTEMPT)!?)?\.?$", NAMED),
    Shape(("fatal: ", "error: "), r"^(?:fatal|error): (?P<event.reason>no matching \S+ found|Unable to negotiate a "
                                  r"key exchange method|"
          r"Read from socket failed)", PROBE),
    Shape("subsystem request for ",
          r"^subsystem request for (?P<system.auth.ssh.subsystem>\S+) by user (?P<user.name>.*)$",
          {"event.category": ["session"], "event.type": ["info"], "event.action": "ssh_subsystem"}),
    Shape("Starting session: ", rf"^Starting session: .* for (?P<user.name>\S+) from {ADDRESS}{PORT}",
          {"event.category": ["session"], "event.type": ["start"], "event.action": "ssh_session"}),
    Shape("Server listening on ", r"^Server listening on (?P<server.address>\S+) port (?P<server.port>\d+)\.$",
          {"event.category": ["process"], "event.type": ["start"], "event.action": "ssh_listen"}),
    Shape("input_userauth_request: invalid user ",
          r"^input_userauth_request: invalid user (?P<user.name>.*?)(?: \[preauth\])?$",
          FAILED),
)
