"""/factor: one's own second factor, shown once and proved by a code. In front of the pages, as /password is: whoever
must have one and has none comes this far and no further (soc_core/state/factors.py).
"""

from __future__ import annotations

import html
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from casework import account
from soc_api.auth import Entry
from soc_ui import runtime
from soc_ui.gate import entry, form, from_here, language_of, render, with_session
from soc_ui.text import time, translate


def page(request: Request, who: Entry, error: str = "", status: int = 200) -> Response:
    """What a second factor is for, when it is due, and the button that begins."""
    language, zone = language_of(request), runtime.services().settings.timezone
    note = translate(language, "factor.must" if who.must_prove else "factor.due" if who.factor_due else "factor.may",
                     at=time(who.factor_due, zone))
    body = form(language, "/factor", {}, "factor.begin", error=error, note=note,
                hidden={"csrf": runtime.logins().csrf(who)})
    return render(language, body, status)


def code_page(request: Request, who: Entry, address: str = "", error: str = "", status: int = 200) -> Response:
    """The secret, as an authenticator takes it (shown this once), and the field for its first code."""
    language = language_of(request)
    out = ""
    if address:
        secret = parse_qs(urlsplit(address).query)["secret"][0]
        key = " ".join(secret[at:at + 4] for at in range(0, len(secret), 4))
        how, link = (html.escape(translate(language, f"factor.{name}")) for name in ("how", "open"))
        out = (f'<p>{how}</p><p><code id="secret">{html.escape(key)}</code></p>'
               f'<p><a href="{html.escape(address)}">{link}</a></p>')
    out += form(language, "/factor", {"first_code": ("text", "one-time-code")}, "factor.confirm", error=error,
                hidden={"csrf": runtime.logins().csrf(who), "step": "confirm"})
    return render(language, out, status)


async def factor(request: Request) -> Response:
    who = await run_in_threadpool(entry, request)
    if who is None:
        return RedirectResponse("/login", status_code=303)
    if request.method == "GET":
        return page(request, who)
    given = await request.form(max_fields=8, max_files=0)
    language, logins = language_of(request), runtime.logins()
    if not from_here(request) or not logins.csrf_is_ours(who, str(given.get("csrf", ""))):
        return page(request, who, translate(language, "login.expired"), 403)
    if given.get("step") != "confirm":
        try:
            return code_page(request, who, await run_in_threadpool(
                account.begin_factor, who.actor, runtime.services()))
        except ValueError:
            return page(request, who, translate(language, "factor.there"), 409)
    try:
        made = await run_in_threadpool(logins.prove_factor, who, str(given.get("first_code", "")))
    except ValueError:
        return code_page(request, who, error=translate(language, "factor.wrong"), status=400)
    return with_session(RedirectResponse("/", status_code=303), request, made.token)


def routes() -> list[BaseRoute]:
    return [Route("/factor", factor, methods=["GET", "POST"])]
