"""From a real log file to the analyst's screen: taken in by ./soc ingest, seen in a browser, down to the raw line."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from soc_core.access import Role
from soc_core.config import load
from soc_core.state import users
from soc_core.state.database import Database
from tests.corpora import corpus
from tests.running import answer
from tests.soc_ui.browser import Watch, chromium, console, keep, sign_in, visit

PASSWORD = "a-passphrase-for-tests-7"


def test_an_ingested_attack_is_on_the_screen(tmp_path: Path) -> None:
    data = tmp_path / "data"
    log = corpus("beats-oss-modules") / "system" / "auth" / "secure-rhel7.log.gz"
    summary = answer("ingest", log, "--data", data)
    assert summary["alerts"]
    state = Database(load(data).state_url)
    with state.begin() as session:
        users.create(session, "wang", PASSWORD, [Role.ANALYST])
    state.close()
    with chromium() as browser, console(data) as url:
        watch = Watch(url)
        page = watch.on(browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN"))
        sign_in(page, url, "wang", PASSWORD)
        visit(page, "告警", ".row")
        row = page.locator(".row", has_text="202.196.224.106").first
        expect(row).to_contain_text("SSH")
        row.click()
        expect(page.locator(".panel .raw")).to_contain_text("sshd")
        keep(page, "ingested")
        page.locator("[role=grid]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("article.event pre.raw").first).to_contain_text("Failed password for root")
        keep(page, "ingested-alert")
        watch.check()
