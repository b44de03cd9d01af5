"""A stranger's first minutes by the README alone: clone, start, one's own logs, a rule of one's own, two logins.

Clones what is committed into an empty folder, with a virtual environment of its own unless SOC_VENV names one; reads
the rule out of README.md. Needs chromium for the logins. Time is that of the machine: reading and typing come on top.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from soc_core.config import ROOT
from tests.running import free_port

MINUTES = 300.0  # seconds from the clone to the first alert of one's own log file
RULE = re.compile(r"^```yaml (data/rules/\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OWN = "a long sentence of my own 7"  # what everybody chooses as password
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
Login = tuple[str, str]


def access_log(at: datetime, address: str) -> str:
    """Two hundred visits, and a walk through paths that is meant to end in the password file."""
    paths = ["/", "/book/list", "/book/4711", "/static/app.css", "/login", "/api/loans?reader=1009"]
    visits = [(f"10.66.3.{2 + n % 40}", paths[n % len(paths)], 200) for n in range(200)]
    visits += [(address, f"/book/cover?file={'../' * n}etc/passwd", 404) for n in range(3, 9)]
    return "".join(f'{who} - - [{at + timedelta(seconds=n):%d/%b/%Y:%H:%M:%S %z}] "GET {path} HTTP/1.1" {status} '
                   f'{400 + n} "-" "{AGENT}"\n' for n, (who, path, status) in enumerate(visits))


def application_log(at: datetime, exported: bool) -> str:
    """What a library's loans program writes; with or without somebody taking all its readers away."""
    said = [f"INFO  [http-{n % 8}] loans.LoanService - reader={1000 + n} borrowed book={7 * n}" for n in range(60)]
    if exported:
        said.append("WARN  [http-3] loans.AdminService - user=li exported table=readers rows=88211")
    return "".join(f"{at + timedelta(seconds=n):%Y-%m-%d %H:%M:%S},{n:03d} {line}\n" for n, line in enumerate(said))


class Stranger:
    """One walk; `marks` are seconds since the clone began. Raises AssertionError where something is not as told."""

    def __init__(self, place: Path, venv: str = "") -> None:
        self.place, self.house = place, place / "citysoc"
        self.environment = {name: value for name, value in os.environ.items() if name not in (
            "PYTHONPATH", "VIRTUAL_ENV", "SOC_DATA", "SOC_VENV")} | ({"SOC_VENV": venv} if venv else {})
        self.port = free_port(pair=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.began = time.monotonic()
        self.marks: dict[str, float] = {}
        self.up: subprocess.Popen[str] | None = None

    def walk(self, look: Callable[[str, Login, Login], None]) -> dict[str, float]:
        """All of it; `look` is shown the console's address, the first account and an agency's."""
        try:
            password = self._start()
            self._own_logs()
            self._own_rule()
            agency = self.soc("accounts", "add", "wang", "--role", "agency_admin", "--organisation", "cs-bigdata")
            found = re.search(r"^password\s+(\S+)", agency, re.MULTILINE)
            assert found, agency
            look(self.url, ("soc", password), ("wang", found.group(1)))
            self._reached("two logins in a browser")
        finally:
            self._stop()
        return self.marks

    def _reached(self, what: str) -> None:
        self.marks[what] = time.monotonic() - self.began

    def soc(self, *words: str) -> str:
        """What a command prints. It must succeed."""
        done = subprocess.run(["./soc", *words], cwd=self.house, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"soc {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _start(self) -> str:
        subprocess.run(["git", "clone", "-q", str(ROOT), "citysoc"], cwd=self.place, check=True)
        data = self.house / "data"
        data.mkdir()
        http, syslog = free_port(), free_port()  # a busy machine has other programs on the usual ones
        (data / "soc.yaml").write_text(f"listen: {{http: {http}, syslog_udp: {syslog}, syslog_tcp: {syslog}}}\n")
        said = (self.place / "up.err").open("w")
        self.up = subprocess.Popen(["./soc", "up", "--port", str(self.port)], cwd=self.house, env=self.environment,
                                   stdout=subprocess.PIPE, stderr=said, text=True)
        password = ""
        assert self.up.stdout
        for line in self.up.stdout:
            if found := re.search(r"one-time password \S+\s+(\S+)", line):
                password = found.group(1)
            if "Ctrl-C" in line:
                break
        self._until(lambda: "ready after" in (self.place / "up.err").read_text(), "the console")
        self._reached("the console's page")
        assert password
        return password

    def _own_logs(self) -> None:
        """Two kinds of lines; the platform's own rules know what is wrong in one of them."""
        now = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(minutes=9)
        (self.place / "access.log").write_text(access_log(now, "10.64.2.9"))
        (self.place / "loans.log").write_text(application_log(now, exported=False))
        said = self.soc("ingest", "../access.log", "../loans.log")
        assert "apache (1 file), application (1 file)" in said, said
        assert re.search(r"Path Traversal.*10\.64\.2\.9", said), said
        self._reached("the first alert of one's own log file")

    def _own_rule(self) -> None:
        """As the README has it, into a running platform; then the line that it is for."""
        found = RULE.search((self.house / "README.md").read_text(encoding="utf-8"))
        assert found, "README.md shows no rule"
        (self.house / found.group(1)).write_text(found.group(2), encoding="utf-8")
        assert "1 loaded, 0 set aside; 0 blind" in self.soc("rules", "check", "data/rules")
        now = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(minutes=2)
        (self.place / "loans-2.log").write_text(application_log(now, exported=True))
        said = self.soc("ingest", "../loans-2.log")
        assert "1 × Readers exported" in said, said
        self._reached("an alert of a rule of one's own")

    def _until(self, true: Callable[[], bool], what: str) -> None:
        assert self.up
        until = time.monotonic() + 600
        while not true():
            assert self.up.poll() is None, (self.place / "up.err").read_text()
            assert time.monotonic() < until, what
            time.sleep(0.1)

    def _stop(self) -> None:
        if self.up and self.up.poll() is None:
            self.up.send_signal(signal.SIGINT)
            try:
                self.up.wait(60)
            except subprocess.TimeoutExpired:
                self.up.kill()
                self.up.wait()


def look(url: str, analyst: Login, agency: Login) -> None:
    """Both log in, each with a password of their own; the analyst sees both alerts, the agency its own alone."""
    from playwright.sync_api import Browser, Page, expect

    from tests.soc_ui.browser import chromium, visit

    def enter(browser: Browser, login: Login) -> Page:
        page = browser.new_context(locale="zh-CN").new_page()
        page.goto(url)
        page.fill("#name", login[0])
        page.fill("#password", login[1])
        page.click("button[type=submit]")
        page.wait_for_url("**/password*")
        page.fill("#current", login[1])
        page.fill("#fresh", OWN)
        page.fill("#again", OWN)
        page.click("button[type=submit]")
        page.wait_for_selector("header.soc")
        visit(page, "告警", ".row")
        return page

    with chromium() as browser:
        page = enter(browser, analyst)
        expect(page.locator(".row", has_text="Readers exported").first).to_be_visible()
        expect(page.locator(".row", has_text="10.64.2.9").first).to_be_visible()
        page = enter(browser, agency)
        expect(page.locator(".row", has_text="10.64.2.9").first).to_be_visible()
        expect(page.locator(".row", has_text="Readers exported")).to_have_count(0)


def figures() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="soc-stranger-") as folder:
        marks = Stranger(Path(folder), os.environ.get("SOC_VENV", "")).walk(look)
    first = "the first alert of one's own log file"
    return [{"name": f"stranger: clone to {what}", "value": round(seconds, 1), "unit": "s",
             **({"target": MINUTES, "met": seconds <= MINUTES} if what == first else {})}
            for what, seconds in marks.items()]
