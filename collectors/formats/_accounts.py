"""sudo, su, account tools, cron and logind: what they write to the system's log, one row a kind of message."""

from __future__ import annotations

from collectors.formats._text import Shape

# ---- sudo: https://www.sudo.ws/docs/man/sudoers.man/#EVENT_LOGGING
SUDO_TAIL = (
    r"(?:TTY=(?P<system.auth.sudo.tty>\S+) ; )?(?:PWD=(?P<system.auth.sudo.pwd>.*?) ; )?"
    r"(?:USER=(?P<user.effective.name>\S+) ; )?(?:GROUP=(?P<group.name>\S+) ; )?(?:TSID=\S+ ; )?(?:ENV=.*? ; )?"
    r"COMMAND=(?P<system.auth.sudo.command>(?s:.*))$"
)
SUDO = (
    Shape("",
          r"^ *(?P<user.name>\S+) : (?P<system.auth.sudo.error>(?:\d+ incorrect password attempts?|user NOT in sudoers|"
          r"user NOT authorized on host|command not allowed|a password is required|no tty present[^;]*|[^;=]{1,80}?))"
          r" ; " + SUDO_TAIL,
          {"event.category": ["process"], "event.type": ["start", "denied"], "event.outcome": "failure",
          "event.action": "sudo_denied"}),
    Shape("", r"^ *(?P<user.name>\S+) : " + SUDO_TAIL,
          {"event.category": ["process"], "event.type": ["start"], "event.outcome": "success",
          "event.action": "sudo_command"}),
)

# ---- su, of shadow and of util-linux
SU_OK = {"event.category": ["authentication", "session"], "event.type": ["info"], "event.outcome": "success",
    "event.action": "su"}
SU_NO = SU_OK | {"event.category": ["authentication"], "event.outcome": "failure"}
SU = (
    Shape("Successful su for ", r"^Successful su for (?P<user.effective.name>\S+) by (?P<user.name>\S+)$", SU_OK),
    Shape("FAILED su for ", r"^FAILED su for (?P<user.effective.name>\S+) by (?P<user.name>\S+)$", SU_NO),
    Shape("(to ", r"^\(to (?P<user.effective.name>\S+)\) (?P<user.name>\S+) on (?P<system.auth.su.tty>\S+)$", SU_OK),
    Shape("FAILED SU (to ",
          r"^FAILED SU \(to (?P<user.effective.name>\S+)\) (?P<user.name>\S+) on (?P<system.auth.su.tty>\S+)$", SU_NO),
    Shape("+ ", r"^\+ (?P<system.auth.su.tty>\S+) (?P<user.name>[^\s:]+):(?P<user.effective.name>\S+)$", SU_OK),
    Shape("- ", r"^- (?P<system.auth.su.tty>\S+) (?P<user.name>[^\s:]+):(?P<user.effective.name>\S+)$", SU_NO),
    Shape("BAD SU ", r"^BAD SU (?P<user.name>\S+) to (?P<user.effective.name>\S+) on (?P<system.auth.su.tty>\S+)$",
          SU_NO),
)

# ---- shadow's tools
USER = {"event.category": ["iam"], "event.outcome": "success"}
ADDED = USER | {"event.type": ["user", "creation"], "event.action": "added-user-account"}
CHANGED = USER | {"event.type": ["user", "change"], "event.action": "modified-user-account"}
JOINED = USER | {"event.type": ["group", "change"], "event.action": "added-member-to-group"}
REMOVED = USER | {"event.type": ["user", "deletion"], "event.action": "deleted-user-account"}
GROUP = USER | {"event.type": ["group", "creation"], "event.action": "added-group-account"}
UNGROUP = USER | {"event.type": ["group", "deletion"], "event.action": "deleted-group-account"}
ACCOUNTS = (
    Shape("new user: ", r"^new user: name=(?P<user.name>[^,]*), UID=(?P<user.id>\d+), GID=(?P<group.id>\d+), "
          r"home=(?P<system.auth.useradd.home>[^,]*), shell=(?P<system.auth.useradd.shell>[^,]*)"
          r"(?:, from=(?P<system.auth.useradd.from>\S*))?$", ADDED),
    Shape("new group: ", r"^new group: name=(?P<group.name>[^,]*), GID=(?P<group.id>\d+)", GROUP),
    Shape("group added to ", r"^group added to \S+: name=(?P<group.name>[^,]*)(?:, GID=(?P<group.id>\d+))?", GROUP),
    Shape("failed adding user ", r"^failed adding user '(?P<user.name>[^']*)'(?:, (?P<event.reason>.*))?$",
          ADDED | {"event.outcome": "failure"}),
    Shape("add '", r"^add '(?P<user.target.name>[^']*)' to (?:shadow )?group '(?P<group.name>[^']*)'", JOINED),
    Shape("members of group ", r"^members of group (?P<group.name>\S+) set by (?P<user.name>\S+) to ", JOINED),
    Shape("user ", r"^user (?P<user.target.name>\S+) added by (?P<user.name>\S+) to group (?P<group.name>\S+)$",
          JOINED),
    Shape("user ", r"^user (?P<user.target.name>\S+) removed by (?P<user.name>\S+) from group (?P<group.name>\S+)$",
          JOINED | {"event.action": "removed-member-from-group"}),
    Shape("change user '", r"^change user '(?P<user.target.name>[^']*)' (?P<event.reason>.*)$", CHANGED),
    Shape(("lock user '", "unlock user '"), r"^(?:un)?lock user '(?P<user.target.name>[^']*)' (?P<event.reason>.*)$",
          CHANGED),
    Shape("delete user '", r"^delete user '(?P<user.target.name>[^']*)'$", REMOVED),
    Shape("delete '", r"^delete '(?P<user.target.name>[^']*)' from (?:shadow )?group '(?P<group.name>[^']*)'",
          JOINED | {"event.action": "removed-member-from-group"}),
    Shape("removed group '", r"^removed (?:shadow )?group '(?P<group.name>[^']*)' owned by '[^']*'", UNGROUP),
    Shape("group '", r"^group '(?P<group.name>[^']*)' removed(?: from \S+)?$", UNGROUP),
    Shape("changed password expiry for ", r"^changed password expiry for (?P<user.target.name>\S+)$", CHANGED),
)

# ---- cron and logind
CRON = (
    Shape("(",
          r"^\((?P<user.name>[^)]*)\) (?P<system.cron.action>CMD|BEGIN EDIT|END EDIT|REPLACE|LIST|DELETE|RELOAD|"
          r"STARTUP|INFO|"
          r"MAIL|ORPHAN|WRONG FILE OWNER|AUTH) ?\((?P<system.cron.command>(?s:.*))\)$",
          {"event.category": ["process"], "event.type": ["info"], "event.action": "cron"}),
)
SESSION = {"event.category": ["session"]}
LOGIND = (
    Shape("New session ",
          r"^New session '?(?P<system.auth.session.id>\w+)'? of user '?(?P<user.name>[^\s']+?)'?(?: with .*)?\.?$",
          SESSION | {"event.type": ["start"], "event.action": "session_opened", "event.outcome": "success"}),
    Shape("Session ", r"^Session (?P<system.auth.session.id>\w+) logged out\.",
          SESSION | {"event.type": ["end"], "event.action": "session_closed"}),
    Shape("Removed session ", r"^Removed session (?P<system.auth.session.id>\w+)\.$",
          SESSION | {"event.type": ["end"], "event.action": "session_closed"}),
)
LOGIN = (
    Shape("FAILED LOGIN ",
          r"^FAILED LOGIN (?:SESSION|\(?\d+\)?) (?:FROM \(?(?P<source.address>[^\s)]+)\)? |on '[^']*' )?FOR '?"
          r"(?P<user.name>[^,']*)'?, (?P<event.reason>.*)$",
          {"event.category": ["authentication"], "event.type": ["info"], "event.outcome": "failure",
          "event.action": "login"}),
    Shape(("LOGIN ON ", "ROOT LOGIN ON "),
          r"^(?:ROOT )?LOGIN ON (?P<system.auth.su.tty>\S+)(?: BY (?P<user.name>\S+))?(?: FROM (?P<source.address>\S+)"
          r")?$",
          {"event.category": ["authentication", "session"], "event.type": ["info"], "event.outcome": "success",
          "event.action": "login"}),
)
