"""What `./soc rules` prints: a check, a list, test outcomes, a Navigator layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from detections import attack
from detections.sigma import cache, tuning
from detections.sigma.blind import Sight, Verdict
from detections.sigma.finding import techniques, title
from detections.sigma.load import load_rules
from detections.sigma.map import of_site
from detections.sigma.rule import Head, Rule
from soc_core import clock
from soc_core.config import ROOT, Settings

OURS = ROOT / "detections" / "rules"
NAMED = 20  # blind rules that a check names in words


def ours() -> list[Path]:
    """The rule folders of the default configuration."""
    return Settings().rules


def check(folders: Sequence[Path], settings: Settings) -> dict[str, Any]:
    """Counts, failures, blindness and warnings of everything below the folders, and of what a site changes.

    An ATT&CK id that the pinned version does not know is an error in our own rules and a warning in others.
    """
    changes, mapper = tuning.read(settings.tuning), of_site(settings.mapping)
    found = tuning.apply(load_rules(folders, cache=cache.default()), changes)
    now = clock.now()
    warnings: list[dict[str, Any]] = [failure.as_dict() for failure in found.warnings]
    failed = [failure.as_dict() for failure in [*found.failed, *mapper.failed]]
    items = found.items
    bad: set[str] = set()
    for item in items:
        for tag, reason in odd_tags(item.head):
            own = Path(item.head.path).resolve().is_relative_to(OURS)
            odd = {"path": item.head.path, "line": item.head.line, "error": f"{tag}: {reason}"}
            (failed if own else warnings).append(odd)
            bad |= {item.id} if own else set()
    verdicts = Sight(mapper).of(found)
    return {
        "rules": found.documents,
        "loaded": len(items) + len(found.filters) - len(bad),
        "failed": failed,
        "blind": [as_dict(verdict) for verdict in verdicts if verdict.blind],
        "partly_blind": [as_dict(verdict) for verdict in verdicts if not verdict.blind],
        "warnings": warnings,
        "exceptions": len({each.name for each in found.exemptions}),
        "expired": [_exception(each) for each in changes.expired(now)],
        "ending": [_exception(each) for each in changes.ending(now)],
    }


def health(folders: Sequence[Path], settings: Settings) -> dict[str, Any]:
    """What the console shows of the rules: which can see, what was set aside, who excepted what until when."""
    changes = tuning.read(settings.tuning)
    known = check(folders, settings)
    return {
        **{name: known[name] for name in ("rules", "loaded", "failed", "blind", "partly_blind", "warnings")},
        "exceptions": [_exception(each) for each in changes.entries if isinstance(each.entry, tuning.Except)],
        "at": clock.now(),
    }


def _exception(placed: tuning.Placed) -> dict[str, Any]:
    """An exception that has ended or soon will, with whom to ask."""
    entry = placed.entry
    ends = entry.expires.isoformat() if isinstance(entry, tuning.Except) else ""
    return {"path": placed.path, "line": placed.line, "rule": entry.rule, "owner": entry.owner,
            "reason": entry.reason, "expires": ends}


def odd_tags(head: Head) -> list[tuple[str, str]]:
    """Technique tags that the pinned ATT&CK version does not have under that id."""
    out = []
    for tag in head.tags:
        if attack.is_technique_tag(tag):
            wanted = tag.removeprefix("attack.").upper()
            known = attack.resolve(wanted)
            if known is None:
                out.append((tag, f"ATT&CK {attack.table().version} has no {wanted}"))
            elif known.id != wanted:
                out.append((tag, f"ATT&CK {attack.table().version} has {known.id} ({known.name}) in its place"))
    return out


def as_dict(verdict: Verdict) -> dict[str, Any]:
    rule = verdict.rule
    return {"id": rule.id, "title": rule.head.title, "path": rule.head.path, "missing": list(verdict.missing)}


def show(report: dict[str, Any], as_json: bool) -> None:
    """The report in words, or as one line of JSON."""
    if as_json:
        print(orjson.dumps(report).decode())
        return
    for failure in report["failed"]:
        print(f"{failure['path']}:{failure['line']}: {failure['error']}")
    for warning in report["warnings"]:
        print(f"warning: {warning['path']}:{warning['line']}: {warning['error']}")
    for word in ("expired", "ending"):
        for each in report[word]:
            print(f"{word}: {each['path']}:{each['line']}: exception to {each['rule']} of {each['owner']} "
                  f"({each['reason']}), last day {each['expires']}")
    for word, verdicts in (("blind", report["blind"]), ("partly blind", report["partly_blind"])):
        for each in verdicts[:NAMED]:
            print(f"{word}: {each['path']}: {each['title']}: wants {', '.join(each['missing'])}")
        if len(verdicts) > NAMED:
            print(f"{word}: {len(verdicts) - NAMED} more; --json names all")
    reasons = Counter(reason for verdict in report["blind"] for reason in verdict["missing"])
    for reason, count in reasons.most_common(20):
        print(f"blind for want of {reason}: {count} rules")
    print(f"{report['rules']} documents: {report['loaded']} loaded, {len(report['failed'])} set aside; "
          f"{len(report['blind'])} blind here, {len(report['partly_blind'])} partly")


def catalogue(folders: Sequence[Path], as_json: bool, settings: Settings | None = None) -> None:
    """One line a rule; as JSON with its health, and what a data directory knows of it (`settings`)."""
    found = load_rules(folders, cache=cache.default())
    mapper = of_site(settings.mapping if settings else None)
    verdicts = {verdict.rule.id: verdict for verdict in Sight(mapper).of(found)} if as_json else {}
    changes = tuning.read(settings.tuning if settings else None)
    fired, suppressed = _known(settings) if settings else ({}, {})
    exceptions = [{**_exception(each), "suppressed": suppressed.get(f"{each.path}:{each.line}", 0)}
                  for each in changes.entries if isinstance(each.entry, tuning.Except)]
    rows = [
        {
            "id": item.id, "level": item.head.level, "title": title(item.head), "path": item.head.path,
            "logsource": str(item.logsource) if isinstance(item, Rule) else item.kind,
            "techniques": list(techniques(item.head.tags)), "author": item.head.author, "license": item.head.license,
            "sight": "" if item.id not in verdicts else "blind" if verdicts[item.id].blind else "partly blind",
            "missing": list(verdicts[item.id].missing) if item.id in verdicts else [],
            "exceptions": [each for each in exceptions if each["rule"] in (item.id, item.head.name)],
            **fired.get(item.id, {"alerts": 0, "last_fired": None, "judged": 0, "precision": None}),
        }
        for item in sorted(found.items, key=lambda item: (item.head.path, item.head.line))
    ]
    if as_json:
        failed = [failure.as_dict() for failure in [*found.failed, *changes.failed, *mapper.failed]]
        print(orjson.dumps({"rules": rows, "failed": failed, "exceptions": exceptions}).decode())
        return
    for row in rows:
        print(f"{row['id']}  {row['level']:<13} {row['logsource']:<30} {row['title']}")


def _known(settings: Settings) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """By rule, what its alerts came to; by exception (file:line), how often it held. Nothing where no data is."""
    from casework import rule_health
    from casework.services import open_services
    from soc_core.access import PLATFORM

    if not settings.data.is_dir():
        return {}, {}
    with closing(open_services(settings)) as services:
        found = rule_health.health(PLATFORM, services)
    return ({each.rule: {"alerts": each.alerts, "last_fired": clock.to_text(each.last), "judged": each.judged,
                         "precision": each.precision} for each in found.fired},
            {f"{each['path']}:{each['line']}": each["suppressed"] for each in found.exceptions})


def tests(folders: Sequence[Path], as_json: bool) -> int:
    """Run the rules' tests; how many failed (a rule of ours without tests fails too)."""
    from soc_cli import rule_tests

    outcomes = rule_tests.run(folders)
    missing = [path for path in rule_tests.untested(folders) if path.resolve().is_relative_to(OURS)]
    bad = [{"path": str(o.path), "about": o.about, "problem": o.problem} for o in outcomes if o.problem]
    bad += [{"path": str(path), "about": "", "problem": "has no tests"} for path in missing]
    if as_json:
        print(orjson.dumps({"cases": len(outcomes), "failed": bad}).decode())
    else:
        for each in bad:
            print(f"{each['path']}: {each['about']}: {each['problem']}")
        print(f"{len(outcomes)} cases, {len(bad)} failed")
    return len(bad)


def coverage(folders: Sequence[Path], out: Path | None) -> None:
    """A Navigator layer (https://github.com/mitre-attack/attack-navigator, layer format 4.5), scored by rules."""
    found = load_rules(folders, cache=cache.default())
    names: dict[str, list[str]] = {}
    for item in found.items:
        for technique in techniques(item.head.tags):
            names.setdefault(technique, []).append(item.head.title)
    for domain in ("enterprise", "ics"):
        mine = {t: titles for t, titles in names.items() if attack.table().techniques[t].domain == domain}
        layer = {
            "name": f"CitySOC rules ({domain})", "domain": f"{domain}-attack",
            "versions": {"attack": attack.table().version.split(".")[0], "navigator": "5.1.0", "layer": "4.5"},
            "description": f"{len(mine)} techniques shown by {len(found.items)} rules",
            "techniques": [
                {"techniqueID": t, "score": len(titles), "comment": "; ".join(sorted(titles)[:20])}
                for t, titles in sorted(mine.items())
            ],
            "gradient": {
                "colors": ["#ffffff", "#2e7d32"], "minValue": 0, "maxValue": max(map(len, mine.values()), default=1),
            },
        }
        if out is None:
            print(orjson.dumps(layer).decode())
        else:
            path = out if domain == "enterprise" else out.with_name(f"{out.stem}-ics{out.suffix}")
            path.write_bytes(orjson.dumps(layer, option=orjson.OPT_INDENT_2))
            print(f"{path}: {len(mine)} techniques")
