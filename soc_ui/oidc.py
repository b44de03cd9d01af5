"""The console as an OpenID Connect provider, and as a place where others sign people in: the addresses of
soc_api/provider.py and soc_api/relying.py. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from soc_api import relying
from soc_api.auth import COOKIE, Denied
from soc_ui import runtime

BEGUN = "soc_begun"
OPEN = ("/.well-known/openid-configuration", "/oidc/jwks", "/oidc/token", "/oidc/userinfo")
BACK = "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content='0;url=/'><title>CitySOC</title>"


def told(make: Callable[[], Any], status: int = 200) -> Response:
    """JSON, or 404 while we are nobody's provider."""
    try:
        runtime.logins().provider.discovery()
        return JSONResponse(make(), status_code=status, headers={"cache-control": "no-store"})
    except LookupError as error:
        return JSONResponse({"error": str(error)}, status_code=404)


def discovery(request: Request) -> Response:
    return told(runtime.logins().provider.discovery)


def jwks(request: Request) -> Response:
    return told(runtime.logins().provider.jwks)


def authorize(request: Request) -> Response:
    """Behind the gate: whoever comes here has signed in, and goes back with a code."""
    logins = runtime.logins()
    who = logins.entry(request.cookies.get(COOKIE, ""))
    if who is None:
        return RedirectResponse("/login", status_code=303)
    try:
        logins.provider.discovery()
        return RedirectResponse(logins.provider.authorize(dict(request.query_params), logins.account(who)), 303)
    except (ValueError, LookupError) as error:
        return JSONResponse({"error": str(error)}, status_code=400)


async def token(request: Request) -> Response:
    given = {name: str(value) for name, value in (await request.form(max_fields=20, max_files=0)).items()}
    headers = {"authorization": request.headers["authorization"]} if "authorization" in request.headers else {}
    status, answer = await run_in_threadpool(runtime.logins().provider.token, given, headers)
    return JSONResponse(answer, status_code=status, headers={"cache-control": "no-store", "pragma": "no-cache"})


def userinfo(request: Request) -> Response:
    scheme, _, held = request.headers.get("authorization", "").partition(" ")
    found = runtime.logins().provider.userinfo(held.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        return JSONResponse({"error": "invalid_token"}, 401, {"www-authenticate": 'Bearer error="invalid_token"'})
    return JSONResponse(found, headers={"cache-control": "no-store"})


# ---------------------------------------------------------------- the other way round


def leave(request: Request) -> Response:
    """To the outside provider; what must be remembered goes along in a cookie."""
    logins = runtime.logins()
    if logins.outside is None:
        return RedirectResponse("/login", status_code=303)
    begun = relying.begin()
    try:
        answer = RedirectResponse(relying.address(logins.outside, begun), status_code=303)
    except relying.Failed as error:
        return HTMLResponse(status_code=503, content="", headers={"x-reason": str(error)[:200]})
    answer.set_cookie(BEGUN, logins.hold(begun), httponly=True, samesite="lax", max_age=600, path="/login",
                      secure=request.url.scheme == "https")
    return answer


def callback(request: Request) -> Response:
    """Back with a code. The session's cookie is strict, so a page of our own leads on to the first one."""
    logins, given = runtime.logins(), request.query_params
    if logins.outside is None:
        return RedirectResponse("/login", status_code=303)
    peer = request.client.host if request.client else ""
    try:
        begun = logins.held(request.cookies.get(BEGUN, ""))
        made = logins.complete(logins.outside, begun, given.get("code", ""), given.get("state", ""), peer)
    except Denied as denied:
        return RedirectResponse(f"/login?denied={'wrong' if denied.key == 'wrong' else 'outside'}", status_code=303)
    answer = HTMLResponse(BACK, headers={"cache-control": "no-store"})
    answer.set_cookie(COOKIE, made.token, httponly=True, samesite="strict", secure=request.url.scheme == "https",
                      path="/")
    answer.delete_cookie(BEGUN, path="/login")
    return answer


def routes() -> list[BaseRoute]:
    return [
        Route(OPEN[0], discovery), Route("/oidc/jwks", jwks), Route("/oidc/authorize", authorize),
        Route("/oidc/token", token, methods=["POST"]), Route("/oidc/userinfo", userinfo),
        Route("/login/outside", leave), Route("/login/callback", callback),
    ]
