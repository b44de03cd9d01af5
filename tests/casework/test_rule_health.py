"""Rule health: what the engine said of its rules, and what their alerts came to, in the actor's scope."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from casework import alerts, rule_health
from casework.services import Services, open_services
from soc_cli.intake import Intake
from soc_cli.stages import stages
from soc_core import clock
from soc_core.access import PLATFORM
from soc_core.config import Settings, load
from soc_core.state import rulings
from soc_core.state.alerts import Filter
from soc_ui.vm.rules import rules_page

RULE = """title: a failed logon
id: 00000000-0000-4000-8000-000000000001
name: failed
author: somebody
logsource: {product: linux, service: sshd}
detection: {s: {event.outcome: failure}, condition: s}
level: high
---
title: nobody fills it
id: 00000000-0000-4000-8000-000000000002
logsource: {product: linux, service: sshd}
detection: {s: {event.outcome: failure}, filter: {NoSuchField: x}, condition: s and not filter}
---
title: wrong
id: 00000000-0000-4000-8000-000000000003
logsource: {product: linux}
detection: {s: {a: b}, condition: gone}
"""
TUNED = """exceptions:
  - {rule: failed, owner: 张三, reason: a scanner, expires: 2099-01-31, where: {source.ip: 192.0.2.1}}
"""
LINE = "Nov 23 04:0{}:00 host sshd[10]: Failed password for root from 192.0.2.{} port 4000 ssh2\n"


def site(folder: Path) -> Settings:
    (folder / "rules").mkdir()
    (folder / "rules" / "some.yml").write_text(RULE)
    (folder / "data" / "tuning").mkdir(parents=True)
    (folder / "data" / "tuning" / "site.yml").write_text(TUNED)
    return load(folder / "data").model_copy(update={"rules": [folder / "rules"]})


def test_from_the_lines_to_the_page(tmp_path: Path) -> None:
    settings = site(tmp_path)
    (tmp_path / "auth.log").write_text("".join(LINE.format(n % 10, 1 + n % 3) for n in range(9)))
    Intake(settings, "", "", "", "Asia/Shanghai", []).run([tmp_path / "auth.log"])
    place = f"{tmp_path / 'data' / 'tuning' / 'site.yml'}:2"
    assert stages(settings)["suppressed"] == {place: 3}
    with closing(open_services(settings)) as services:
        found = rule_health.health(PLATFORM, services)
    assert [each["title"] for each in found.partly] == ["nobody fills it"]  # read under `not`, and nobody fills it
    assert "NoSuchField" in found.partly[0]["missing"][0]
    assert found.failed[0]["line"] > 1
    assert [(each["owner"], each["suppressed"]) for each in found.exceptions] == [("张三", 3)]
    fired = {each.rule: each for each in found.fired}
    assert fired["00000000-0000-4000-8000-000000000001"].alerts == 2  # of three addresses, one is excepted
    assert clock.now() - found.as_of < clock.HOUR


def test_the_page_shows_what_was_noted(services: Services) -> None:
    with services.database.begin() as session:
        rulings.note(session, {"rules": 3, "loaded": 2, "failed": [{"path": "/r/a.yml", "line": 4, "error": "gone"}],
                               "blind": [{"id": "1", "title": "t", "path": "p", "missing": ["X (x)"]}],
                               "partly_blind": [], "exceptions": [{"path": "/d/s.yml", "line": 2, "rule": "r",
                               "owner": "张三", "reason": "why", "expires": "2099-01-31"}], "at": clock.now()})
        rulings.suppress(session, {"/d/s.yml:2": 4})
        rulings.suppress(session, {"/d/s.yml:2": 3})
    found = rule_health.health(PLATFORM, services)
    assert found.exceptions[0]["suppressed"] == 7
    assert (found.loaded, len(found.blind), len(found.failed)) == (2, 1, 1)
    assert all(each.precision is None or 0 <= each.low <= each.precision <= each.high <= 1 for each in found.fired)
    assert found.fired
    row = next(each for each in found.fired if not each.judged)
    alert = next(each.alert for each in alerts.queue(PLATFORM, services, Filter(rule=row.rule)).rows)
    alerts.change(PLATFORM, services, "verdict", "true", [(alert.id, alert.version)])
    shown = {each["cells"][5]: each["cells"][4] for each in rules_page(PLATFORM, services, "zh").fired}
    assert shown[row.rule].startswith("100%（0.21–1.00）")
    page = rules_page(PLATFORM, services, "zh")
    assert page.tone == "bad"
    assert page.failed[0]["cells"][0] == "a.yml:4"
    assert page.sight[0]["cells"][2] == "X (x)"
