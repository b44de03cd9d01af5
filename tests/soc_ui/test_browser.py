"""The console in a real browser: what a person sees, keys that each count, live rows, nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from casework import alerts, factors
from casework.services import open_services
from soc_core import clock
from soc_core.access import EVERYTHING, Actor, Role
from soc_core.state import totp, users
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


@pytest.fixture
def seat(browser: Browser, url: str, watch: Watch) -> Iterator[Callable[[str], Page]]:
    """Sign in as somebody, in a browser of his own."""
    opened = []

    def enter(name: str) -> Page:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        opened.append(context)
        page = watch.on(context.new_page())
        sign_in(page, url, name, PASSWORD)
        return page

    yield enter
    for context in opened:
        context.close()


def test_three_administrators_have_their_pages(seat: Callable[[str], Page]) -> None:
    head = seat("secadmin")
    expect(head.locator("h1.headline")).to_contain_text("个账户")
    expect(head.locator("td >> text=edu-admin").first).to_be_visible()
    keep(head, "accounts")
    head.get_by_text("新建账户").click()
    head.get_by_label("账号", exact=True).fill("zhao")
    head.get_by_label("账号", exact=True).press("Tab")
    keep(head, "accounts-new")
    head.get_by_role("button", name="新建", exact=True).click()
    expect(head.get_by_text("没有做成")).to_be_visible()  # it has no role yet
    visit(head, "我的账户", "text=您是secadmin")
    keep(head, "account")
    auditor = seat("auditor")
    expect(auditor.locator("h1.headline")).to_contain_text("审计链共")
    auditor.get_by_role("button", name="检查整条链").click()
    expect(auditor.get_by_text("逐条相符")).to_be_visible()
    keep(auditor, "audit")
    auditor.get_by_role("button", name="取出 Merkle 头").click()
    with auditor.expect_download() as taken:
        auditor.get_by_role("button", name="保存 Merkle 头").click()
    assert b'"root"' in taken.value.path().read_bytes()


def test_a_feed_comes_in_and_what_is_personal_is_shown_for_a_reason(desk: Page, city: Prepared, url: str) -> None:
    visit(desk, "威胁情报", "text=还没有指标")
    desk.locator("input[type=file]").set_input_files(
        {"name": "feed.csv", "mimeType": "text/csv", "buffer": b"value\n203.0.113.7\n<img src=x onerror=alert(1)>\n"})
    expect(desk.get_by_text("feed.csv").first).to_be_visible()
    desk.get_by_role("button", name="导入").click()
    expect(desk.get_by_text("新增 1")).to_be_visible()
    expect(desk.locator("td >> text=203.0.113.7").first).to_be_visible()
    keep(desk, "indicators")
    desk.goto(f"{url}/alert?id={city.alerts[0]}")
    desk.get_by_text("查看个人信息原文").click()
    desk.get_by_label("理由").fill("call the owner back")
    desk.get_by_role("button", name="查看原文").click()
    expect(desk.locator("pre >> text=COMMAND")).to_have_count(0)
    expect(desk.locator("[data-testid=stCode]")).to_contain_text("Accepted password for deploy")
    keep(desk, "reveal")


def test_an_agency_states_what_no_query_can_prove(seat: Callable[[str], Page]) -> None:
    page = seat("edu-admin")
    visit(page, "合规自查", "text=项要求")
    page.get_by_text("作出声明").click()
    page.get_by_label("声明内容").fill("合同第 12 条写明报告义务")
    page.get_by_label("证据（文件、编号或地址）").fill("档案 7")
    keep(page, "compliance-form")
    page.get_by_role("button", name="提交声明").click()
    expect(page.get_by_text("声明已记录")).to_be_visible()
    expect(page.get_by_text("edu-admin 于").first).to_be_visible()
    keep(page, "compliance")


def test_who_must_have_a_second_factor_sets_it_up_first(
        browser: Browser, url: str, watch: Watch, city: Prepared) -> None:
    services = open_services(city.settings)
    head = Actor("secadmin", frozenset({Role.SECURITY_ADMIN}), EVERYTHING)
    with services.database.begin() as session:
        users.create(session, "captain", PASSWORD, [Role.COMMANDER])
    factors.demand(head, services, [Role.COMMANDER], grace_days=0)
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    page = watch.on(context.new_page())
    page.goto(url)
    page.fill("#name", "captain")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_text("必须使用双因素认证")).to_be_visible()
    keep(page, "factor")
    page.click("button[type=submit]")
    secret = page.locator("#secret").inner_text().replace(" ", "")
    keep(page, "factor-secret")
    page.fill("#first_code", totp.code(base64.b32decode(secret), totp.step_of(clock.now())))
    page.click("button[type=submit]")
    page.wait_for_selector("header.soc")
    expect(page.locator("h1.headline")).to_be_visible()
    factors.waive(head, services, [Role.COMMANDER])
    services.close()
    context.close()
