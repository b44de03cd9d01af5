"""A headless Chromium and a console to point it at, for tests that look at what a person sees."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update"]
# A reload of /page first asks these two below the page's own path; Streamlit answers 404 and goes on.
PATIENCE = 30_000  # milliseconds: the machine may have other work
KNOWN_NOISE = ("/_stcore/health", "/_stcore/host-config")


@contextmanager
def console(data: Path, city: Path | None = None) -> Iterator[str]:
    """The console of a data directory on a free port; its address. Ended by SIGTERM, which must be clean."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (data / "console-test.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "soc_ui.serve", "--data", str(data), "--port", str(port), "--city",
         str(city or ROOT / "cities" / "changsha")],
        cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"POLARS_MAX_THREADS": "1"})
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"{url}/login", timeout=30)
                break
            except httpx.TransportError:
                log.seek(0)
                assert process.poll() is None, log.read()
                assert time.monotonic() < until, "the console did not answer"
                time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
        log.seek(0)
        said = log.read()
        log.close()
    assert code == 0, said
    assert "Traceback" not in said, said


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, or a skip that says why not."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM} (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """What a page asked for outside of its host, and what it complained of."""

    url: str
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def on(self, page: Page) -> Page:
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.on("request", self._asked)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(f"{said.text} {said.location.get('url', '')}") if (
            said.type == "error" and not said.location.get("url", "").endswith(KNOWN_NOISE)) else None)
        return page

    def _asked(self, request: Request) -> None:
        host = self.url.partition("://")[2]
        if not request.url.startswith((self.url, f"ws://{host}", "data:", "blob:")):
            self.outside.append(request.url)

    def check(self) -> None:
        assert not self.outside
        assert not self.errors


def sign_in(page: Page, url: str, name: str, password: str) -> None:
    """Fill the login form and wait for the first page."""
    page.goto(url + "/login")
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button[type=submit]")
    page.wait_for_selector("header.soc")


def visit(page: Page, link: str, wait: str) -> None:
    """Follow a link of the navigation and wait for something on the page."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=link, exact=True).click()
    page.wait_for_selector(wait)


def keep(page: Page, name: str) -> None:
    """A screenshot into $SOC_SCREENS, where that is set."""
    folder = os.environ.get("SOC_SCREENS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(400)  # let the last refresh be drawn
        page.screenshot(path=Path(folder) / f"{name}.png")
