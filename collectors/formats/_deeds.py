"""What an audit log's word for an action says in ECS terms: category and type, from the verb in its name.

`CreateUser`, `user.session.start`, `Microsoft.Compute/virtualMachines/delete`, `v1.compute.firewalls.insert`.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
LONGEST = 200
CREATION = "create add insert run register launch import invite new upload restore generate issue grant provision"
DELETION = "delete remove terminate destroy deregister drop purge revoke uninstall deprovision wipe clear cancel"
CHANGE = (
    "update modify put set attach detach enable disable change write patch edit replace reset rotate stop reboot "
    "associate disassociate start move rename assign unassign activate deactivate suspend unsuspend approve reject "
    "publish share authorize archive unarchive transfer promote bypass override configure"
)
ACCESS = (
    "get list describe read head lookup search query view download export fetch watch check test validate batch scan "
    "select access receive open invoke send"
)
VERBS = {
    word: kind for kind, words in (("creation", CREATION), ("deletion", DELETION), ("change", CHANGE),
        ("access", ACCESS)) for word in words.split()
}
LOGON = {"login", "signin", "logon", "session", "authenticate", "auth", "sso", "mfa", "verify", "factor"}
ENDS = {"logout", "signout", "logoff", "end", "close", "expired"}
PEOPLE = {
    "user", "users", "role", "roles", "group", "groups", "member", "members", "iam", "account", "accounts", "policy",
    "credential", "credentials", "password", "permission", "permissions", "serviceaccounts", "principal", "team",
    "collaborator", "directory", "accesskey",
}


@lru_cache(maxsize=8192)
def deed(action: str, provider: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(categories, types) of an action; ("configuration",), ("info",) where the name says nothing."""
    segments = [segment for segment in re.split(r"[/.:#\s]+", action[:LONGEST]) if segment]
    words = [[word.lower() for word in WORDS.findall(segment)] for segment in segments]
    every = {word for segment in words for word in segment}
    glued = {"".join(segment) for segment in words}
    if every & LOGON or any(name.startswith(("consolelogin", "signin", "login", "assumerole", "getfederation",
        "getsession", "switchrole")) for name in glued):
        return ("authentication",), (("end",) if every & ENDS or glued & ENDS else ("start",))
    if every & ENDS & {"logout", "signout", "logoff"} or glued & {"logout", "signout", "logoff"}:
        return ("authentication",), ("end",)
    kind = next((VERBS[word] for segment in reversed(words) for word in segment if word in VERBS), "info")
    if (every & PEOPLE and "security" not in every) or "iam" in provider.lower():
        about = ("group",) if "group" in every else ("user",) if every & {"user", "users"} else ()
        return ("iam",), (kind if kind != "access" else "info", *about)
    return ("configuration",), (kind,)
