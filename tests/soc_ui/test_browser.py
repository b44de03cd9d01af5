"""The console in a real browser: what a person sees, keys that each count, live rows, nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from casework import alerts
from casework.services import open_services
from soc_core.access import EVERYTHING, Actor, Role
from soc_core.state import users
from soc_core.state.alerts import Filter
from soc_core.state.database import Database
from tests.soc_ui.browser import Watch, chromium, console, keep, sign_in, visit
from tests.soc_ui.prepared import PASSWORD, POLICE, STORY, Prepared, another, prepare

ROOT = Path(__file__).resolve().parents[2]
ANALYST = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("browser"), ROOT / "cities" / "changsha", fill=120)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def url(browser: Browser, city: Prepared) -> Iterator[str]:
    with console(city.settings.data) as address:
        yield address


@pytest.fixture
def watch(url: str) -> Iterator[Watch]:
    made = Watch(url)
    yield made
    made.check()


@pytest.fixture
def desk(browser: Browser, url: str, watch: Watch) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    page = watch.on(context.new_page())
    sign_in(page, url, "wang", PASSWORD)
    yield page
    context.close()


def test_an_alert_is_seen_and_opened_down_to_its_raw_record(desk: Page, url: str) -> None:
    expect(desk.locator("h1.headline")).to_contain_text("条高级别告警等待研判")
    keep(desk, "overview")
    visit(desk, "告警", ".row")
    desk.locator(".row", has_text=STORY[0][0]).first.click()
    expect(desk.locator(".panel .raw")).to_contain_text("Accepted password for deploy from 203.0.113.9")
    assert desk.locator(".row .realm.demo").first.inner_text() == "演示"
    keep(desk, "alerts")
    desk.locator("[role=grid]").focus()
    desk.keyboard.press("Enter")
    expect(desk.locator("article.event pre.raw")).to_have_text(STORY[0][8])
    assert desk.locator("article.event mark").all_inner_texts()[:3] == ["edu-app-01", "deploy", "203.0.113.9"]
    keep(desk, "alert")
    desk.keyboard.press("t")
    expect(desk.locator("[role=tab][aria-selected=true]")).to_have_text("原文")
    desk.reload()
    expect(desk.locator("h1")).to_have_text(STORY[0][0])


def test_hostile_text_is_text(desk: Page, city: Prepared, url: str) -> None:
    desk.goto(f"{url}/alert?id={city.alerts[1]}")
    expect(desk.locator("h1")).to_have_text("可疑请求 <img src=x onerror=window.pwned=1>⟨RLO⟩gnp.exe⟨ESC⟩[31m")
    expect(desk.locator("article.event pre.raw")).to_contain_text("<img src=x onerror=window.pwned=1>⟨RLO⟩gnp.exe⟨ESC⟩")
    desk.goto(f"{url}/quarantine?reason=no+timestamp+in+the+header&source=test:real:campus_safety")
    expect(desk.get_by_text("garbled <img")).to_be_visible()
    assert desk.evaluate("window.pwned") is None
    assert desk.locator("img[src=x]").count() == 0


def test_new_alerts_wait_and_nothing_moves(desk: Page, city: Prepared) -> None:
    visit(desk, "告警", ".row")
    body = desk.locator("[role=grid]")
    body.focus()
    for _ in range(30):
        desk.keyboard.press("j")
    desk.keyboard.press("x")
    before = desk.evaluate(PLACE)
    assert before["top"] > 0
    another(city.settings, "brand new", POLICE, "critical")
    fresh = desk.locator("button.fresh")
    expect(fresh).to_have_text("1 条新告警（按 .）", timeout=8_000)
    desk.wait_for_timeout(4_500)  # two more refreshes
    assert desk.evaluate(PLACE) == before
    desk.keyboard.press(".")
    expect(fresh).to_be_hidden()
    expect(desk.locator(".row", has_text="brand new")).to_have_count(1)


PLACE = """() => {
  const find = node => { for (const e of node.querySelectorAll('*')) {
    if (e.shadowRoot) { const g = e.shadowRoot.querySelector('[role=grid]'); if (g) return e.shadowRoot } } }
  const root = find(document), grid = root.querySelector('[role=grid]')
  return {top: grid.scrollTop, cursor: grid.getAttribute('aria-activedescendant'), focus: root.activeElement === grid,
          picked: [...root.querySelectorAll('[aria-selected=true]')].map(e => e.id)} }"""


def test_every_verdict_key_counts_once(desk: Page, city: Prepared) -> None:
    services = open_services(city.settings)
    visit(desk, "告警", ".row")
    desk.locator("[role=grid]").focus()
    desk.keyboard.press("End")
    for _ in range(25):
        desk.keyboard.press("k")
    judged = Filter(status="closed")
    before = alerts.queue(ANALYST, services, judged).total
    for _ in range(20):
        desk.keyboard.press("3")
        desk.wait_for_timeout(5)
    expect(desk.locator(".row.judged")).to_have_count(20)
    desk.wait_for_timeout(2_500)
    found = alerts.queue(ANALYST, services, judged, limit=100)
    assert found.total - before == 20
    assert {row.alert.version for row in found.rows} == {2}
    desk.keyboard.press("z")
    for _ in range(40):
        if alerts.queue(ANALYST, services, judged).total == before + 19:
            break
        desk.wait_for_timeout(100)
    assert alerts.queue(ANALYST, services, judged).total == before + 19
    services.close()


def test_every_page_draws(desk: Page) -> None:
    for link, wait, name in (
            ("本单位", "text=有人在看着我吗", "unit-centre"), ("数据源", "td >> text=test:silent", "sources"),
            ("流水线", "text=每一条收到的记录都有去向", "pipeline"),
            ("隔离区", "text=no timestamp in the header", "quarantine"),
            ("最近演练", "text=5 步中发现 4 步", "drill")):
        visit(desk, link, wait)
        keep(desk, name)
    desk.locator("header.soc button[aria-expanded]").click()
    expect(desk.locator(".help")).to_contain_text("紫色表示演练")


def test_an_agency_reads_its_page_on_a_phone(browser: Browser, url: str, watch: Watch) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True,
                                  is_mobile=True, locale="zh-CN")
    page = watch.on(context.new_page())
    sign_in(page, url, "edu-admin", PASSWORD)
    expect(page.locator(".task").first).to_contain_text(STORY[0][0])
    keep(page, "unit")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator(".task a").first.bounding_box()
    assert box
    assert box["height"] >= 44
    page.locator(".task a").first.tap()
    expect(page.locator("h1")).to_have_text(STORY[0][0])
    page.goto(f"{url}/unit?org=cs-police")
    expect(page.get_by_text("没有这一项，或不在您的范围。")).to_be_visible()
    context.close()


def test_first_visit_sets_a_password_and_leaving_ends_it(
        browser: Browser, url: str, watch: Watch, city: Prepared) -> None:
    state = Database(city.settings.state_url)
    with state.begin() as session:
        users.create(session, "first", "one-time-pass-1", [Role.ANALYST], must_change=True)
    state.close()
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN", color_scheme="dark")
    page = watch.on(context.new_page())
    page.goto(url)
    keep(page, "login")
    page.fill("#name", "first")
    page.fill("#password", "one-time-pass-1")
    page.click("button[type=submit]")
    page.fill("#current", "one-time-pass-1")
    page.fill("#fresh", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("header.soc")
    visit(page, "告警", ".row")
    keep(page, "alerts-dark")
    page.goto(f"{url}/language/en?next=/alerts")
    expect(page.locator(".bar strong")).to_contain_text("alerts")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto(f"{url}/alerts")
    assert "/login" in page.url
    context.close()
