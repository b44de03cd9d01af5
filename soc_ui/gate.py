"""The door: login page, password change, logout, language; and the guard in front of everything else.

Plain HTML without scripts, so that it is there at once and works on any browser. Nothing of Streamlit (page, stream,
uploads) and no live route answers without a session; static files and the health check hold no data.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soc_api.auth import COOKIE, Denied, Entry, same_origin
from soc_ui import oidc, runtime
from soc_ui.text import LANGUAGES, translate

PAGE = Path(__file__).with_name("login.html")
LANGUAGE = "soc_lang"
WHO = "soc.who"  # in a request's scope: its entry, read once
OPEN = ("/login", "/language/", "/static/", "/favicon", *oidc.OPEN)
PROBES = ("/_stcore/health", "/_stcore/host-config")  # also asked below a page's own path
ENTERING = ("/password", "/logout")  # all that a session with a one-time password may reach
PROVING = ("/factor", *ENTERING)  # and one that must set up a second factor first
HEADERS = {
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
}


def language_of(connection: HTTPConnection) -> str:
    """The reader's language: cookie, else Chinese."""
    chosen = connection.cookies.get(LANGUAGE, "zh")
    return chosen if chosen in LANGUAGES else "zh"


def entry(connection: HTTPConnection) -> Entry | None:
    """Who this request's cookie stands for, checked against the account as it is now: once a request."""
    if WHO not in connection.scope:
        connection.scope[WHO] = runtime.logins().entry(connection.cookies.get(COOKIE, ""))
    found: Entry | None = connection.scope[WHO]
    return found


def admitted(who: Entry, path: str) -> bool:
    """Whether a session may come to a path: what is due of it at the door comes first."""
    return not who.halted or path in (ENTERING if who.must_change else PROVING)


def local(path: str) -> str:
    """A path of our own to go to after login; anything else is the front page (no open redirect)."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


# ---------------------------------------------------------------- the guard


class Gate:
    """ASGI middleware: secure headers on every answer, and no answer of substance without a session."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(
                    (name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in named)]
            await send(message)

        connection = HTTPConnection(scope)
        path = connection.url.path
        if path.startswith(OPEN) or path.endswith(PROBES):
            await self.app(scope, receive, dressed)
            return
        who = await run_in_threadpool(entry, connection)
        if who is not None and admitted(who, path):
            await self.app(scope, receive, dressed)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "no session"})
        else:
            await self.turn_away(connection, who)(scope, receive, dressed)

    @staticmethod
    def turn_away(connection: HTTPConnection, who: Entry | None) -> Response:
        """Pages lead to the login; everything else learns that there is no session."""
        page = connection.url.path == "/" or "text/html" in connection.headers.get("accept", "")
        if page and connection.scope.get("method") == "GET":
            here = connection.url.path + (f"?{connection.url.query}" if connection.url.query else "")
            to = door(who) if who else "/login" + (f"?next={quote(here, safe='')}" if here != "/" else "")
            return RedirectResponse(to, status_code=303)
        return JSONResponse({"error": "sign in first"}, status_code=401)


def door(who: Entry) -> str:
    """Where a session goes that may not go on."""
    return "/password" if who.must_change else "/factor"


def middleware() -> list[Middleware]:
    return [Middleware(Gate)]


# ---------------------------------------------------------------- pages


@cache
def template() -> str:
    return PAGE.read_text(encoding="utf-8")


def render(language: str, body: str, status: int = 200) -> HTMLResponse:
    """A page of the door around a body that is already escaped."""
    other = "en" if language == "zh" else "zh"
    page = template()
    values = {
        "lang": LANGUAGES[language].replace("_", "-"), "title": translate(language, "login.title"),
        "subtitle": translate(language, "login.subtitle"), "other": f"/language/{other}?next=/login",
        "other_name": translate(other, "common.language"), "body": body}
    for name, value in values.items():
        page = page.replace("{{" + name + "}}", value)
    return HTMLResponse(page, status_code=status, headers={"cache-control": "no-store"})


def form(language: str, action: str, fields: Mapping[str, tuple[str, str]], submit: str, *, error: str = "",
         note: str = "", hidden: Mapping[str, str] | None = None) -> str:
    """A form: field name → (type, autocomplete). Labels come from the catalogue by field name; a code is optional."""
    out = [f'<form method="post" action="{html.escape(action)}">']
    if error:
        out.append(f'<p class="error" role="alert">{html.escape(error)}</p>')
    if note:
        out.append(f'<p class="note">{html.escape(note)}</p>')
    for name, value in (hidden or {}).items():
        out.append(f'<input type="hidden" name="{name}" value="{html.escape(value)}">')
    for at, (name, (kind, complete)) in enumerate(fields.items()):
        label = html.escape(translate(language, f"login.{name}"))
        out.append(f'<label for="{name}">{label}</label><input id="{name}" name="{name}" type="{kind}" '
                   f'autocomplete="{complete}"{"" if name == "code" else " required"} maxlength="200"'
                   f'{" autofocus" if at == 0 else ""}>')
    out.append(f'<button type="submit">{html.escape(translate(language, submit))}</button></form>')
    return "".join(out)


def login_form(request: Request, error: str = "", status: int = 200) -> Response:
    language = language_of(request)
    body = form(language, "/login", {
        "name": ("text", "username"), "password": ("password", "current-password"),
        "code": ("text", "one-time-code")}, "login.enter", error=error,
        hidden={"next": local(request.query_params.get("next", "/"))})
    outside = runtime.logins().outside
    if outside:
        name = html.escape(outside.issuer.partition("://")[2])
        link = f'<p><a href="/login/outside">{html.escape(translate(language, "login.outside"))} {name}</a></p>'
        body = link + (body if runtime.services().settings.login.also_local else shown(error))
    return render(language, body, status)


def shown(error: str) -> str:
    return f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""


def peer(request: Request) -> str:
    return request.client.host if request.client else ""


def from_here(request: Request) -> bool:
    return same_origin(request.headers.get("origin", ""), request.headers.get("host", ""))


def with_session(response: Response, request: Request, token: str) -> Response:
    """Hand out the session cookie: not for scripts, not for other sites, and only over TLS where there is TLS."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/")
    return response


async def login(request: Request) -> Response:
    if request.method == "GET":
        if await run_in_threadpool(entry, request):
            return RedirectResponse("/", status_code=303)
        denied = request.query_params.get("denied", "")
        said = translate(language_of(request), f"login.denied.{denied}") if denied in ("wrong", "outside") else ""
        return login_form(request, said)
    given = await request.form(max_fields=8, max_files=0)
    name, password = str(given.get("name", "")), str(given.get("password", ""))
    to = local(str(given.get("next", "/")))
    language = language_of(request)
    logins = runtime.logins()
    if not from_here(request):
        return login_form(request, translate(language, "login.expired"), 403)
    try:
        made = await run_in_threadpool(logins.sign_in, name, password, peer(request), str(given.get("code", "")))
    except Denied as denied:
        return login_form(request, translate(language, f"login.denied.{denied.key}", n=denied.wait),
                          429 if denied.wait else 401)
    return with_session(RedirectResponse("/password" if made.must_change else to, status_code=303), request, made.token)


def password_form(request: Request, who: Entry, error: str = "", status: int = 200) -> Response:
    language = language_of(request)
    note = translate(language, "login.must_change" if who.must_change else "login.may_change")
    body = form(language, "/password", {
        "current": ("password", "current-password"), "fresh": ("password", "new-password"),
        "again": ("password", "new-password"), "code": ("text", "one-time-code")}, "login.change", error=error,
        note=note, hidden={"csrf": runtime.logins().csrf(who)})
    return render(language, body, status)


async def password(request: Request) -> Response:
    who = await run_in_threadpool(entry, request)
    if who is None:
        return RedirectResponse("/login", status_code=303)
    if request.method == "GET":
        return password_form(request, who)
    given = await request.form(max_fields=8, max_files=0)
    language, logins = language_of(request), runtime.logins()
    if not from_here(request) or not logins.csrf_is_ours(who, str(given.get("csrf", ""))):
        return password_form(request, who, translate(language, "login.expired"), 403)
    if given.get("fresh") != given.get("again"):
        return password_form(request, who, translate(language, "login.denied.differ"), 400)
    try:
        made = await run_in_threadpool(
            logins.change_password, who, str(given.get("current", "")), str(given.get("fresh", "")), peer(request),
            str(given.get("code", "")))
    except Denied as denied:
        return password_form(request, who, translate(language, f"login.denied.{denied.key}", n=denied.wait), 400)
    return with_session(RedirectResponse("/", status_code=303), request, made.token)


async def logout(request: Request) -> Response:
    who = await run_in_threadpool(entry, request)
    if who is not None:
        if not from_here(request) or not runtime.logins().csrf_is_ours(who, request.headers.get("x-csrf-token", "")):
            return JSONResponse({"error": "the request does not carry this session's token"}, status_code=403)
        await run_in_threadpool(runtime.logins().sign_out, who)
    answer = JSONResponse({"signed_out": True})
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def language(request: Request) -> Response:
    chosen = request.path_params["language"]
    answer = RedirectResponse(local(request.query_params.get("next", "/")), status_code=303)
    if chosen in LANGUAGES:
        answer.set_cookie(LANGUAGE, chosen, max_age=31_536_000, samesite="lax", path="/")
    return answer


def routes() -> list[BaseRoute]:
    return [
        *oidc.routes(),
        Route("/login", login, methods=["GET", "POST"]), Route("/password", password, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]), Route("/language/{language}", language, methods=["GET"]),
    ]
