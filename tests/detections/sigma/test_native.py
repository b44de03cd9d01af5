"""For public rules, an event of each rule's own in native form fires it; a share by date, the whole by bench native."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from detections.sigma.blind import Sight
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules, parse
from detections.sigma.map import Mapper
from detections.sigma.rule import Rule, RuleSet
from detections.sigma.terms import ANY, And, Leaf, Not, Or
from detections.sigma.terms import Test as Ask
from tests.detections.sigma.native.expression import example as word
from tests.detections.sigma.native.run import EXCEPTIONS, RENDERERS, example, fired
from tests.detections.sigma.native.solve import holds, met, solve

SHARE = 500
TODAY = datetime.now(UTC).toordinal()


def test_rules_are_fired_by_their_own_events(public: RuleSet, fast: SigmaDetector) -> None:
    drawn = random.Random(TODAY).sample(public.rules, SHARE)
    done, left = fired(drawn, fast, TODAY)
    missed = {rule.head.path: left.get(rule.id) for rule in drawn if rule.id not in done and rule.id not in EXCEPTIONS}
    assert missed == {}


def test_every_log_source_has_a_form(public: RuleSet, fast: SigmaDetector) -> None:
    first: dict[str, Rule] = {}
    for rule in public.rules:
        if rule.id not in EXCEPTIONS:
            first.setdefault(str(rule.logsource), rule)
    assert len(first) >= 130
    assert [name for name, rule in first.items() if not any(s.takes(rule.logsource) for s, _ in RENDERERS)] == []
    done, left = fired(list(first.values()), fast)
    assert {name: left.get(rule.id) for name, rule in first.items() if rule.id not in done} == {}


def test_exceptions_are_rules_and_cannot_fire(public: RuleSet, fast: SigmaDetector) -> None:
    known = {rule.id: rule for rule in public.rules}
    assert EXCEPTIONS.keys() <= known.keys()
    done, _ = fired([known[rule_id] for rule_id in EXCEPTIONS], fast)
    assert done == set()


def test_public_rules_that_are_not_fully_evaluable_are_few(public: RuleSet) -> None:
    found = Sight(Mapper()).verdicts(public.rules)
    assert len(public.rules) - len(found) >= 3745, [(each.rule.head.path, each.missing) for each in found]


def test_a_mapping_that_leads_nowhere_is_found() -> None:
    """The proof itself: a rule whose event the engine cannot see is reported, not passed over."""
    text = ("title: t\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {product: github, service: audit}\n"
            "detection:\n  selection: {NAME: org.update_member}\n  condition: selection\n")
    good, bad = parse(text.replace("NAME", "action")), parse(text.replace("NAME", "deed"))
    assert fired(good.rules, SigmaDetector(good))[0] == {good.rules[0].id}
    with pytest.raises(KeyError):
        fired(bad.rules, SigmaDetector(bad))


def test_values_are_found_under_denials() -> None:
    tree = And((
        Leaf("a", Ask("text", (ANY, "\\x.exe"))), Leaf("b", Ask("text", ("C:\\", ANY))),
        Leaf("b", Ask("text", (ANY, " -k ", ANY))), Not(Or((
            Leaf("a", Ask("text", ("C:\\Users\\", ANY))), Leaf("c", Ask("absent", ()))))),
    ))
    values = solve(tree, {})
    assert values is not None
    assert holds(tree, values, {})
    assert values["c"] is not None
    assert solve(And((Leaf("a", Ask("text", ("x",))), Leaf("a", Ask("text", ("y",))))), {}) is None


@pytest.mark.parametrize("expression", [r"^a{2,3}[^b-y]\d+$", r"(?:foo|bar)+\s(x)\1", r"\.[a-z]{4}\\w?", r"[\w-]{3}"])
def test_a_text_is_made_that_an_expression_finds(expression: str) -> None:
    for seed in range(8):
        assert met(Ask("regex", (expression, "")), word(expression, seed))


def test_an_example_is_the_same_every_time(public: RuleSet) -> None:
    rule = next(rule for rule in public.rules if rule.logsource.category == "process_creation")
    assert example(rule, Mapper(), 7) == example(rule, Mapper(), 7)


def test_a_sites_values_open_the_rules_that_ask_for_them(public: RuleSet) -> None:
    waiting = [rule for rule in public.rules if "placeholder" in EXCEPTIONS.get(rule.id, "")]
    assert len(waiting) == 2
    filled = load_rules(sorted({Path(rule.head.path) for rule in waiting}), {"known_cdcs": ["dc-1.city.example"]})
    done, left = fired(filled.rules, SigmaDetector(filled))
    assert {rule.id for rule in waiting} <= done, left
