"""What Cisco's routers and switches say: IOS, IOS XE and NX-OS system messages, one row a kind of message.

https://www.cisco.com/c/en/us/td/docs/ios-xml/ios/system_messages/. Account names come from the other end: an address
is read only where no such name can stand in its place.
"""

from __future__ import annotations

from typing import Any

from collectors.formats._asa import BYE, DENY, INFO, NET, NO, SEEN, TOLD, YES
from collectors.formats._text import Shape

IP = r"[0-9A-Za-z_.:%-]+"
SOURCE = rf"(?P<source.address>{IP})(?:\((?P<source.port>\d+)\))?"
TARGET = rf"(?P<destination.address>{IP})(?:\((?P<destination.port>\d+)\))?"
VIA = r"(?: \((?P<observer.ingress.interface.name>[^\s()]+) *(?P<source.mac>[0-9a-f.]{14})?[^()]*\))?"
ACTION = r"(?P<event.action>denied|permitted)"
LINK: dict[str, Any] = {"event.category": ["network"], "event.type": ["info"]}
SHAPES = (
    Shape("list ", rf"^list (?P<rule.name>\S+) {ACTION} (?P<network.transport>[\w-]+) {SOURCE}{VIA} ?-> {TARGET}"
          r"(?: \((?P<ios.icmp>[\d/]+)\))?, (?P<network.packets>\d+) packets?", NET),
    Shape("list ", rf"^list (?P<rule.name>\S+) {ACTION} {SOURCE} (?P<network.packets>\d+) packets?", NET),
    Shape("Sig:", r"^Sig:(?P<rule.id>\d+) Subsig:(?P<ios.subsignature>\d+) Sev:(?P<event.severity>\d+) "
          r"(?P<rule.name>.*?) "
          r"\[(?P<source.address>[^\]\s]+):(?P<source.port>\d+) -> (?P<destination.address>[^\]\s]+):"
          r"(?P<destination.port>\d+)\]", SEEN),
    Shape("Login Success", r"^Login Success \[user: (?P<user.name>.*)\] \[Source: (?P<source.address>[^\s\]]+)\] "
          r"\[localport: (?P<destination.port>\d+)\]", YES),
    Shape("Login failed", r"^Login failed \[user: (?P<user.name>.*)\] \[Source: (?P<source.address>[^\s\]]+)\] "
          r"\[localport: (?P<destination.port>\d+)\](?: \[Reason: (?P<event.reason>[^\]]*)\])?", NO),
    Shape("Login Success from", rf"^Login Success from host {SOURCE} by user '(?P<user.name>.*)' using .*$", YES),
    Shape("Configured from ", r"^Configured from (?P<ios.application>\S+) by (?P<user.name>.*) on \S+ "
          r"\((?P<source.address>[^\s()]+)\)$", TOLD),
    Shape("Configured from ", r"^Configured from (?P<ios.application>\S+) by (?P<user.name>\S+)"
          r"(?: \((?P<source.address>[^\s()]+)\))?(?: on \S+)?$", TOLD),
    Shape("User:", r"^User:(?P<user.name>\S*) +logged command:(?P<process.command_line>.*)$", TOLD),
    Shape("User ", r"^User (?P<user.name>.*) has exited tty session \d+ ?\((?P<source.address>[^\s()]*)\)$", BYE),
    Shape("User '", r"^User '(?P<user.name>.*)' authentication for SSH2? Session from (?P<source.address>[^\s()]+) "
          r"\(tty = \d+\).* Succeeded$", YES),
    Shape("User '", r"^User '(?P<user.name>.*)' authentication for SSH2? Session from (?P<source.address>[^\s()]+) "
          r"\(tty = \d+\).* Failed$", NO),
    Shape("SSH", r"^SSH2? Session (?P<event.action>request|close|.{0,40}?) from (?P<source.address>[^\s()]+) \(tty ="
          r" \d+\)",
          INFO | {"network.protocol": "ssh"}),
    Shape("Authentication ", r"^Authentication failed for (?:client \((?P<source.mac>[^\s()]+)\)|\S+ )", NO),
    Shape("Authorization ", r"^Authentication failure for SNMP req from host (?P<source.address>\S+)$", NO),
    Shape("Authentication failure", r"^Authentication failure for SNMP req(?:uest)? from host "
          r"(?P<source.address>\S+)$", NO),
    Shape("No MD5", rf"^No MD5 digest from {SOURCE} to {TARGET}",
          DENY | {"event.action": "bad-authentication", "network.transport": "tcp"}),
    Shape("Invalid MD5", rf"^Invalid MD5 digest from {SOURCE} to {TARGET}",
          DENY | {"event.action": "bad-authentication", "network.transport": "tcp"}),
    Shape("neighbor ", r"^neighbor (?P<source.address>[0-9A-Fa-f.:]+) (?:\S+ )*?(?P<event.action>Up|Down)\b",
          LINK | {"network.protocol": "bgp"}),
    Shape(("Interface ", "Line protocol"), r"^(?:Line protocol on )?Interface "
          r"(?P<observer.ingress.interface.name>\S+), "
          r"changed state to (?P<event.action>.*)$", LINK),
    Shape(("Start ", "Stop "), r"^(?P<event.action>Start|Stop) (?P<network.protocol>[\w-]+) session: initiator "
          r"\((?P<source.address>[^\s()]+):(?P<source.port>\d+)\).*? -- responder "
          r"\((?P<destination.address>[^\s()]+):(?P<destination.port>\d+)\)", INFO),
    Shape("Dropping ", r"^Dropping (?P<network.protocol>[\w-]+) (?:session|pkt)(?: from \S+)? "
          r"(?P<source.address>[0-9A-Fa-f.]+):(?P<source.port>\d+) (?:=> )?(?P<destination.address>[0-9A-Fa-f.]+):"
          r"(?P<destination.port>\d+)\b", DENY),
)
# facility → Sigma services besides syslog
SERVICES = {
    "AAA": ("aaa",), "AAAA": ("aaa",), "PARSER": ("aaa",), "SEC_LOGIN": ("aaa",), "SSH": ("aaa",), "SYS": ("aaa",),
    "HA_EM": ("aaa",), "TAC": ("aaa",), "TACACS": ("aaa",), "RADIUS": ("aaa",), "WEBUI": (), "BGP": ("bgp",),
    "TCP": ("bgp", "ldp"), "IP-TCP": ("bgp", "ldp"), "LDP": ("ldp",), "MPLS_LDP": ("ldp",), "TAGCON": ("ldp",),
}
