"""What Cisco's firewalls say: ASA, FTD, PIX and FWSM system messages, one row a kind of message.

https://www.cisco.com/c/en/us/td/docs/security/asa/syslog/asa-syslog.html. Account names come from the other end:
an address is read only where no such name can stand in its place.
"""

from __future__ import annotations

from typing import Any

from collectors.formats._text import Shape

NAME = r"[^\s/(),;<>\x22']+"
WHOM = r"(?: ?\([^()]*\))*"


def end(side: str, port: str = r"\d+|\w[\w-]*") -> str:
    """An address and, after a slash, a port."""
    return rf"(?P<{side}.address>{NAME})(?:/(?:(?P<{side}.port>\d+)|(?:{port})))?{WHOM}"


def at(side: str, interface: str) -> str:
    """The same behind the name of an interface."""
    return rf"\[?(?P<observer.{interface}.interface.name>[^:\s/]+): ?{end(side)}"


SI, DI = at("source", "ingress"), at("destination", "egress")
S, D = end("source"), end("destination")
FI, FE = r"(?P<observer.ingress.interface.name>[^\s.]+)", r"(?P<observer.egress.interface.name>[^\s.]+)"
BYTES = r"(?: duration (?P<asa.duration>[\d:]+))?(?: bytes (?P<network.bytes>\d+))?(?: (?P<event.reason>[^()]+?))?"
NET: dict[str, Any] = {"event.category": ["network"], "event.outcome": "success"}
DENY = NET | {"event.type": ["connection", "denied"], "event.action": "deny"}
LOST = DENY | {"event.action": "drop"}
OPEN = NET | {"event.type": ["connection", "start", "allowed"], "event.action": "built"}
SHUT = NET | {"event.type": ["connection", "end"], "event.action": "teardown"}
PASS = NET | {"event.type": ["connection", "allowed"], "event.action": "permit"}
INFO = NET | {"event.type": ["connection", "info"]}
SPOOF = DENY | {"event.kind": "alert", "event.category": ["network", "intrusion_detection"], "event.type": ["denied"]}
SEEN = SPOOF | {"event.action": "detected", "event.type": ["info"]}
AUTH: dict[str, Any] = {"event.category": ["authentication"]}
YES = AUTH | {"event.type": ["start"], "event.outcome": "success", "event.action": "login"}
NO = AUTH | {"event.type": ["start"], "event.outcome": "failure", "event.action": "login"}
BYE = {"event.category": ["session"], "event.type": ["end"], "event.outcome": "success", "event.action": "logout"}
MEET = BYE | {"event.type": ["start"], "event.action": "session-start"}
TALK = BYE | {"event.type": ["info"], "event.action": "session"}
IAM: dict[str, Any] = {"event.category": ["iam"], "event.outcome": "success"}
TOLD = {"event.category": ["configuration"], "event.type": ["change"], "event.outcome": "success",
    "event.action": "command", "sigma.logsource": ["cisco//aaa"]}
PROTO = r"(?P<network.transport>\w+)"
GROUP = r"Group <(?P<group.name>[^<>]*)> User <(?P<user.name>.*)> IP <(?P<source.address>[^\s<>]+)>"
SHAPES = (
    Shape("Built ", rf"^Built (?:(?P<way_>inbound|outbound) )?{PROTO} connection (?P<asa.connection_id>\d+) for {SI}"
          rf" to {DI}",
          OPEN),
    Shape("Teardown ", rf"^Teardown {PROTO} connection (?P<asa.connection_id>\d+) for {SI} to"
          rf" {DI}{BYTES}{WHOM}$", SHUT),
    Shape("Built ", rf"^Built (?P<way_>inbound|outbound) {PROTO} connection for faddr {S} gaddr (?P<gaddr_>{NAME})/\d+ "
          rf"laddr {D}", OPEN),
    Shape("Teardown ", rf"^Teardown {PROTO} connection for faddr {S} gaddr (?P<gaddr_>{NAME})/\d+ laddr {D}", SHUT),
    Shape(("Built ", "Teardown "),
          rf"^(?P<event.action>Built|Teardown) (?:dynamic|static|portmap) {PROTO} translation from {SI} to "
          rf"(?:(?P<observer.egress.interface.name>[^:\s]+):)?(?P<source.nat.ip>{NAME})(?:/"
          rf"(?P<source.nat.port>\d+))?{WHOM}(?: duration \S+)?$", INFO),
    Shape("Deny ", rf"^Deny (?:inbound )?(?:protocol )?{PROTO} src {SI} dst {DI}(?: \(type \d+, code \d+\))?"
          r"(?: by access-group \x22(?P<rule.name>[^\x22]*)\x22)?", DENY),
    Shape("Deny ", rf"^Deny (?:inbound )?(?:protocol )?{PROTO}(?: reverse path check| connection spoof| spoof)?"
          rf"(?: \([^()]*\))? from \(?{S}\)? to {D}(?: flags (?P<asa.tcp_flags>.*?))?(?: due to "
          rf"(?P<event.reason>[^.]+?))?"
          rf"(?: on(?: interface {FI})?)?\.?$", DENY),
    Shape("Deny ", rf"^Deny {PROTO} (?P<event.reason>[^()]{{0,40}}?) ?(?:\([^()]*\) )?from {S} to"
          rf" {D}(?:[, ].*)?$", SPOOF),
    Shape(("Deny ", "Dropp"), rf"^(?:Deny|Dropping) (?P<network.transport>\w+)[\w ]* from \(?{S}\)? to (?:PAT"
          rf" address )?{D}\b",
          DENY),
    Shape("access-list ", r"^access-list (?P<rule.name>\S+) (?P<event.action>permitted|denied|est-allowed)"
          rf"(?: for user '[^']*')? {PROTO} "
          rf"(?P<observer.ingress.interface.name>[^/\s]+)/(?P<source.address>{NAME})\((?P<source.port>\d+)\){WHOM} -> "
          rf"(?P<observer.egress.interface.name>[^/\s]+)/(?P<destination.address>{NAME})\("
          rf"(?P<destination.port>\d+)\)", NET),
    Shape("Inbound ", rf"^Inbound {PROTO} connection denied from {S} to {D}(?: flags ?(?P<asa.tcp_flags>.*?))?"
          rf"(?: on(?: interface {FI})?)?$", DENY),
    Shape("No translation ", rf"^No translation group found for {PROTO} src {SI} dst {DI}", LOST),
    Shape("", rf"^{PROTO} [Cc]onnection denied by outbound list (?P<rule.name>\S+) src {S}(?: (?:\d+))? dest"
          rf" {D}", DENY),
    Shape("ICMP packet ", rf"^(?P<network.transport>ICMP) packet type \S+ denied by outbound list (?P<rule.name>\S+)"
          rf" src {S} "
          rf"dest {D}", DENY),
    Shape("Denied ICMP ", rf"^Denied (?P<network.transport>ICMP) type=\S+,? (?:code=\S+ )?from {S}(?: on interface"
          rf" {FI})?", DENY),
    Shape(("TCP ", "UDP "), rf"^{PROTO} (?:access|request) (?:denied by ACL|discarded) from {S} to {DI}", DENY),
    Shape(("TCP ", "UDP "), rf"^{PROTO} access (?:permitted|requested) from {S} to {DI}", PASS),
    Shape("TCP connection limit", rf"^{PROTO} connection limit exceeded from {S} to {DI}", DENY),
    Shape(("TCP ", "UDP "), rf"^{PROTO} flow from {SI} to {DI} is (?P<event.action>dropped|skipped)(?: because "
          rf"(?P<event.reason>.*))?$",
          LOST),
    Shape("PAT pool", rf"^PAT pool exhausted\. Unable to create {PROTO} connection from {SI} to {DI}$", LOST),
    Shape(("Duplicate ", "Invalid transport"), rf"^(?:Duplicate (?P<network.transport>\w+) SYN|Invalid transport"
          rf" field for "
          rf"protocol=\w+,) from (?:{SI}|(?P<plain_>{NAME}/\d+)) to {DI}", LOST),
    Shape("Shunned ", rf"^Shunned packet: {S} =+>? {D} on interface {FI}$", DENY | {"event.action": "shunned"}),
    Shape("IDS:", rf"^IDS:(?P<rule.id>\d+) (?P<rule.name>.*?) from {S} to {D} on interface {FI}$", SEEN),
    Shape("Received ARP", rf"^Received ARP .{{0,40}}?collision from {end('source', '[^ ]+')} on interface {FI}", SEEN),
    Shape("Dynamic ", rf"^Dynamic [Ff]ilter (?P<event.action>\w+) (?P<rule.category>\w+) {PROTO} traffic from {SI}"
          rf" to {DI}", SEEN),
    # logins
    Shape("Login denied ", rf"^Login denied from {S} to [^:\s]+:(?P<destination.address>{NAME})/"
          rf"(?P<network.protocol>\w+) "
          r"for user \x22(?P<user.name>.*)\x22$", NO),
    Shape("Login permitted ", rf"^Login permitted from {S} to [^:\s]+:(?P<destination.address>{NAME})/"
          r"(?P<network.protocol>\w+) for user \x22(?P<user.name>.*)\x22$", YES),
    Shape("AAA user ", r"^AAA user (?P<asa.service>\S+) Rejected ?: reason = (?P<event.reason>[^:]*?) ?: (?:server ="
          r" \S+?|local "
          r"database) ?[,:] [Uu]ser = (?P<user.name>.*?)(?: ?: user IP = (?P<source.address>\S+))?$", NO),
    Shape("AAA user ", r"^AAA user (?P<asa.service>\S+) Successful ?: (?:server = \S+?|local database) ?[,:] "
          r"[Uu]ser = (?P<user.name>.*)$", YES),
    Shape("AAA transaction ", r"^AAA transaction status ACCEPT ?: user = (?P<user.name>.*)$", YES),
    Shape("AAA transaction ", r"^AAA transaction status REJECT ?: user = (?P<user.name>.*)$", NO),
    Shape("User ", r"^User (?P<user.target.name>.*) locked out on exceeding \S+ successive failed authentication"
          r" attempts$",
          AUTH | {"event.type": ["info"], "event.outcome": "failure", "event.action": "user-locked-out"}),
    Shape("User authentication ", rf"^User authentication succeeded: IP(?: address)?[:=] ?{S}, Uname: "
          rf"(?P<user.name>.*)$", YES),
    Shape("User authentication ", rf"^User authentication failed: IP(?: address)?[:=] ?{S}, Uname: "
          rf"(?P<user.name>.*)$", NO),
    Shape("User logged out", r"^User logged out: Uname: (?P<user.name>.*)$", BYE),
    Shape("Authentication ", rf"^Authentication succeeded for user '(?P<user.name>.*)' from {S} to {D} on interface"
          rf" {FI}$", YES),
    Shape("Authentication ", rf"^Authentication failed for user '(?P<user.name>.*)' from {S} to {D} on interface"
          rf" {FI}$", NO),
    Shape("console enable ", rf"^console enable password incorrect for (?:\S+ )?\S+ tries \(from {S}\)$", NO),
    Shape("Denied ", rf"^Denied (?P<network.protocol>\w+) login session from {S}(?: on interface {FI})?$", NO),
    Shape("Permitted ", rf"^Permitted (?P<network.protocol>\w+) login session from {S}(?: on interface {FI})?$", YES),
    Shape("SSH session ", rf"^SSH session from {S} on interface {FI} for user \x22(?P<user.name>.*)\x22 "
          r"(?P<event.reason>disconnected.*|terminated.*)$", BYE),
    # VPN
    Shape("Group = ", r"^Group = (?P<group.name>[^,]*), Username = (?P<user.name>.*), IP = "
          r"(?P<source.address>[^\s,]+), "
          r"Session disconnected\. Session Type: (?P<asa.session_type>[^,]*), Duration: (?P<asa.duration>[^,]*), "
          r"Bytes xmt: (?P<destination.bytes>\d+), Bytes rcv: (?P<source.bytes>\d+), Reason: "
          r"(?P<event.reason>.*)$", BYE),
    Shape("Group = ", r"^Group = (?P<group.name>[^,]*), (?:Username = (?P<user.name>.*), )?IP = "
          r"(?P<source.address>[^\s,]+), (?P<asa.text>.*)$", TALK),
    Shape("IP = ", r"^IP = (?P<source.address>[^\s,]+), (?P<asa.text>.*)$", TALK),
    Shape("Group <", rf"^{GROUP} Authentication: rejected, (?P<event.reason>.*)$", NO),
    Shape("Group <", rf"^{GROUP} Authentication: successful, (?P<event.reason>.*)$", YES),
    Shape("Group <", rf"^{GROUP}:? (?P<asa.text>(?:.* )?session (?:started|established)\b.*|IPv4 Address <.*)$", MEET),
    Shape("Group <", rf"^{GROUP}:? (?P<asa.text>.*session terminated.*)$", BYE),
    Shape("Group <", rf"^{GROUP}:? (?P<asa.text>.*)$", TALK),
    Shape("DAP: ", r"^DAP: User (?P<user.name>.*), Addr (?P<source.address>[^,\s]+), (?P<asa.text>Connection"
          r" .*)$", TALK),
    # administration
    Shape("User '", rf"^User '(?P<user.name>[^']*)', running '(?P<asa.application>[^']*)' from IP {S}, executed "
          r"'(?P<process.command_line>.*)'$", TOLD),
    Shape("User '", r"^User '(?P<user.name>[^']*)' executed the '(?P<process.command_line>.*)' command\.?$", TOLD),
    Shape("User ", r"^User (?P<user.name>\S+) executed the command (?P<process.command_line>.*)$", TOLD),
    Shape("New user ", r"^New user added to local dbase: Uname: (?P<user.target.name>.*?) Priv: (?P<asa.privilege>\S+)",
          IAM | {"event.type": ["user", "creation"], "event.action": "added-user-account"}),
    Shape("User deleted ", r"^User deleted from local dbase: Uname: (?P<user.target.name>.*?) Priv: "
          r"(?P<asa.privilege>\S+)",
          IAM | {"event.type": ["user", "deletion"], "event.action": "deleted-user-account"}),
    Shape("User priv ", r"^User priv level changed: Uname: (?P<user.target.name>.*?) From: \S+ To: "
          r"(?P<asa.privilege>\S+)",
          IAM | {"event.type": ["user", "change"], "event.action": "changed-privilege"}),
    Shape("Begin configuration", rf"^Begin configuration: {S} (?P<asa.text>.*)$", TOLD),
    # addresses of other messages, where no quoted text stands before them
    Shape("", r"^[^\x22']{0,80}? (?:from|client) (?:(?P<observer.ingress.interface.name>[^:\s]+):)?"
          r"(?P<source.address>\d{1,3}(?:\.\d{1,3}){3})(?:/(?P<source.port>\d+))?(?: \([^()]*\))* to (?:[^:\s]+:)?"
          r"(?P<destination.address>\d{1,3}(?:\.\d{1,3}){3})(?:/(?P<destination.port>\d+))?\b", INFO),
)
