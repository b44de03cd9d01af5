"""Loading: each bad document is set aside alone, with file, line and reason; the cache changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from detections.sigma.compile import unfilled
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules, parse
from detections.sigma.rule import RuleSet
from detections.sigma.terms import leaves

GOOD = """title: {title}
id: {id}
name: {name}
logsource: {{product: linux}}
detection:
    selection:
        user.name: root
    condition: selection
level: high
"""
ID = "00000000-0000-4000-8000-00000000000{}"


def good(number: int) -> str:
    return GOOD.format(title=f"rule {number}", id=ID.format(number), name=f"rule_{number}")


BAD = {
    "condition.yml": (good(1).replace("condition: selection", "condition: selection and nothing"), 8, "nothing"),
    "modifier.yml": (good(2).replace("user.name:", "user.name|soundslike:"), 7, "soundslike"),
    "regex.yml": (good(3).replace("user.name: root", "user.name|re: 'a(?=b)'"), 7, "linear"),
    "yaml.yml": (good(4) + "  - : [\n", 10, "YAML"),
    "shape.yml": ("- a\n- b\n", 1, "map"),
    "text.yml": ("hello\n", 1, "map"),
    "other.yml": ("title: no rule\n", 1, "not a Sigma rule"),
    "dashes.yml": (
        good(5).replace("user.name: root", "user.name|windash: '-a -b -c -d -e -f -g -h -i'"),
        5,
        "variants",
    ),
}


def test_each_bad_rule_is_set_aside_alone(tmp_path: Path) -> None:
    for name, (text, _, _) in BAD.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "good.yml").write_text(good(7))
    (tmp_path / "good.test.yml").write_text("action: reset\n")
    found = load_rules([tmp_path])
    assert [rule.id for rule in found.rules] == [ID.format(7)]
    failed = {Path(failure.path).name: failure for failure in found.failed}
    assert set(failed) == {*BAD, "binary.yml"}
    for name, (_, line, word) in BAD.items():
        assert word in failed[name].reason, failed[name]
        assert failed[name].line == line, failed[name]


def test_identifiers_may_begin_with_an_operator() -> None:
    text = (
        good(1)
        .replace("    selection:", "    notepad:")
        .replace("condition: selection", "condition: not (notepad and android) or orphan")
    )
    text = text.replace("    condition:", "    android: {a: b}\n    orphan: {a: c}\n    condition:")
    assert parse(text).failed == []


@pytest.mark.parametrize(
    "condition",
    ["selection and", "selection selection", "(selection", "selection)", "2 of selection", "of them", "and", "not"],
)
def test_bad_conditions(condition: str) -> None:
    found = parse(good(1).replace("condition: selection", f"condition: {condition}"))
    assert found.rules == []
    assert found.failed[0].line == 8


@pytest.mark.parametrize(("nots", "kept"), [(99, 1), (100, 0)])
def test_a_condition_is_nested_a_hundred_deep_at_most(nots: int, kept: int) -> None:
    found = parse(good(1).replace("condition: selection", f"condition: {'not ' * nots}selection"))
    assert len(found.rules) == kept
    assert [failure.reason for failure in found.failed if "100 deep" not in failure.reason] == []


@pytest.mark.parametrize(("condition", "fields"), [
    ("1 of sel*", {"user.name", "a"}), ("all of sel*", {"user.name", "a"}), ("ANY of them", {"user.name", "a", "b"}),
    ("selection and not 1 of other*", {"user.name", "b"}),
])
def test_of_takes_the_identifiers_that_it_names(condition: str, fields: set[str]) -> None:
    more = "    sel2: {a: x}\n    other1: {b: y}\n"
    text = good(1).replace("    condition: selection", f"{more}    condition: {condition}")
    found = parse(text)
    assert found.failed == []
    assert {leaf.field for leaf in leaves(found.rules[0].tree)} == fields


def test_one_bad_document_leaves_its_neighbours() -> None:
    found = parse(good(1) + "---\n" + good(2).replace("condition: selection", "condition: gone") + "---\n" + good(3))
    assert [rule.head.line for rule in found.rules] == [1, 21]
    assert [failure.line for failure in found.failed] == [18]


@pytest.mark.parametrize(("written", "texts"), [
    ("no", "no"), ("Yes", "Yes"), ("off", "off"), ("true", "true"), ("FALSE", "false"), ("12:30:45", "12:30:45"),
    ("2026-11-23", "2026-11-23"), ("1_000", "1_000"), ("010", "010"), ("00000429", "00000429"), ("0x17", "23"),
    ("-5", "-5"), ("1.50", "1.5"), ("4688.0", "4688"), ("1e3", "1e3"), ("0b11", "0b11"), ("0o17", "0o17"),
    (".5", "0.5"), ("1.2.3.4", "1.2.3.4"), ("'5'", "5"), ("00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e"), ("=", "="),
])
def test_values_are_read_as_yaml_1_2_has_them(written: str, texts: str) -> None:
    found = parse(good(1).replace("user.name: root", f"user.name: {written}"))
    assert found.failed == []
    assert [leaf.test.value for leaf in leaves(found.rules[0].tree)] == [(texts,)]


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_null_is_read_as_yaml_1_2_has_it(written: str) -> None:
    found = parse(good(1).replace("user.name: root", f"user.name: {written}"))
    assert [leaf.test.kind for leaf in leaves(found.rules[0].tree)] == ["absent"]


def test_a_key_is_there_once_in_a_map() -> None:
    """The second took the place of the first in silence, and half of the condition with it."""
    twice = good(2).replace("    condition:", "    selection: {a: b}\n    condition:")
    found = parse(good(1) + "---\n" + twice + "---\n" + good(3))
    assert [rule.head.name for rule in found.rules] == ["rule_1", "rule_3"]
    assert [(failure.line, failure.reason) for failure in found.failed] == [
        (18, "not YAML: the key 'selection' is there twice")]
    merged = good(1).replace("        user.name: root", "        <<: {user.name: x, b: c}\n        user.name: root")
    assert {leaf.test.value for leaf in leaves(parse(merged).rules[0].tree)} == {("c",), ("root",)}


def test_a_field_may_be_called_by_a_number() -> None:
    (rule,) = parse(good(1).replace("user.name: root", "5: root")).rules
    assert [leaf.field for leaf in leaves(rule.tree)] == ["5"]


def test_an_id_is_used_once() -> None:
    found = parse(good(1) + "---\n" + good(1))
    assert len(found.rules) == 1
    assert "is used by" in found.failed[0].reason


def test_rules_without_an_id_are_called_after_their_name_or_their_file() -> None:
    """All but the first of a file had one id: the third was set aside for the second's."""
    plain = [good(n).replace(f"id: {ID.format(n)}\nname: rule_{n}\n", "") for n in (1, 2, 3)]
    found = parse("---\n".join([*plain, good(4).replace(f"id: {ID.format(4)}\n", "")]), "some/ssh.yml")
    assert found.failed == []
    assert [rule.id for rule in found.rules] == ["ssh", "ssh-1", "ssh-2", "rule_4"]


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no rule file"):
        load_rules([tmp_path / "nowhere"])


CORRELATION = """title: many
id: 00000000-0000-4000-8000-0000000000aa
correlation:
    type: event_count
    rules: [{}]
    group-by: [source.ip]
    timespan: 5m
    condition: {{gte: 3}}
"""


def test_references_by_name_and_missing_ones() -> None:
    found = parse(good(1) + "---\n" + CORRELATION.format("rule_1"))
    assert found.correlations[0].rules == (ID.format(1),)
    assert found.rules[0].quiet
    lost = parse(good(1) + "---\n" + CORRELATION.format("rule_9"))
    assert lost.correlations == []
    assert "rule_9" in lost.failed[0].reason
    assert not lost.rules[0].quiet


def many(number: int, *rules: str) -> str:
    """A correlation, many_N, of these."""
    named = CORRELATION.format(", ".join(rules)).replace("0000000000aa", f"0000000000c{number}")
    return named.replace("title: many", f"title: many\nname: many_{number}")


@pytest.mark.parametrize("odd", [
    many(2, "{a: b}"), many(2, "[rule_1]"), many(2, "5"), many(2, "''"),
    many(2, "rule_1").replace("[source.ip]", "5"), many(2, "rule_1").replace("{gte", "{field: [5], gte"),
    many(2, "rule_1") + "    aliases: {who: {rule_1: {a: b}}}\n",
    many(2, "rule_1") + "    aliases: {who: {rule_1: 5}}\n",
    "title: f\nlogsource: {product: linux}\nfilter: {rules: [{a: b}], s: {a: b}, condition: not s}\n",
    "title: f\nlogsource: {product: linux}\nfilter: {rules: [5], s: {a: b}, condition: not s}\n",
])
def test_names_that_are_none_set_their_document_aside_alone(odd: str) -> None:
    """They ended the load of all rules with a traceback."""
    found = parse(good(1) + "---\n" + odd)
    assert [rule.head.name for rule in found.rules] == ["rule_1"]
    assert (found.correlations, found.filters, len(found.failed)) == ([], [], 1)
    assert SigmaDetector(found).program.rules


def test_correlations_in_a_circle_are_set_aside_and_nothing_else() -> None:
    """They took every detector with them: nothing could be judged by any rule."""
    text = [good(1), many(1, "many_2"), many(2, "many_1"), many(3, "rule_1", "many_3"), many(4, "rule_1"),
            many(5, "many_4"), many(6, "many_1", "rule_1"), many(7, "many_9")]
    found = parse("---\n".join(text))
    assert [each.head.name for each in found.correlations] == ["many_4", "many_5"]
    reasons = {failure.line: failure.reason for failure in found.failed}
    assert list(reasons.values()) == [
        "it correlates what is set aside, or itself: many_2", "it correlates what is set aside, or itself: many_1",
        "it correlates what is set aside, or itself: rule_1, many_3",
        "it correlates what is set aside, or itself: many_1, rule_1", "rules it correlates are missing: many_9"]
    assert SigmaDetector(found).correlator.bases.keys() == {ID.format(1), found.correlations[0].id}


FILTER = """title: not the scanner
logsource: {{product: {}}}
filter:
    rules: {}
    selection: {{{}: 192.0.2.1}}
    condition: not selection
"""


@pytest.mark.parametrize(("text", "line", "why"), [
    (good(1).replace("id: 0", "id: x0"), 2, "UUID"),
    (good(1).replace("level: high", "level: severe"), 9, "severe"),
    (good(1).replace("level: high", "level: high\nauthor: [a, b]"), 10, "author must be a string"),
    (good(1).replace("level: high", "level: high\ntags: [nonamespace]"), 10, "namespace"),
    (good(1).replace("level: high", "level: high\ntaxonomy: ours"), 10, "taxonomy 'ours'"),
    (good(1).replace("user.name: root", "user.name|contains: [null]"), 5, "value type of null"),
    ("title: t\ncorrelation: [a]\n", 2, "'correlation:' wants a map of keys"),
    ("title: t\nlogsource: {product: x}\nfilter: a\n", 3, "'filter:' wants a map of keys"),
])
def test_an_error_names_the_line_in_words(text: str, line: int, why: str) -> None:
    found = parse(text)
    assert found.items == []
    assert (found.failed[0].line, why in found.failed[0].reason) == (line, True), found.failed
    assert " at 0x" not in found.failed[0].reason


@pytest.mark.parametrize(("text", "why"), [
    (FILTER.format("linux", "[rule_9]", "source.ip"), "it filters rule_9, which is not there"),
    (FILTER.format("windows", "[rule_1]", "source.ip"), "it does not reach rule_1: a correlation, or of another log"),
    (FILTER.format("linux", "many_3", "source.ip"), "it does not reach many_3: a correlation, or of another log"),
    (good(2).replace("name: rule_2", "name: rule_1"), f"the name rule_1 means {ID.format(1)}, which has it, too"),
    (many(4, "rule_1") + "    aliases: {source.ip: {rule_8: a.b}}\n", "its aliases name rule_8, which is not there"),
])
def test_what_names_something_else_than_it_means_is_told(text: str, why: str) -> None:
    found = parse("---\n".join([good(1), many(3, "rule_1"), text]))
    assert found.failed == []
    assert [why in warning.reason for warning in found.warnings] == [True], found.warnings
    assert found.warnings[0].line == 21
    assert not any("source.ip" in {leaf.field for leaf in leaves(rule.tree)} for rule in found.rules)


def test_a_filter_that_leaves_nothing_out_is_told() -> None:
    """The example of the specification is such a one."""
    text = FILTER.format("linux", "any", "source.ip")
    assert parse(good(1) + "---\n" + text).warnings == []
    found = parse(good(1) + "---\n" + text.replace("not selection", "selection"))
    assert ["say 'not'" in warning.reason for warning in found.warnings] == [True]
    assert found.warnings[0].line == 11


def test_a_filter_whose_placeholders_have_no_values_blinds_no_rule() -> None:
    found = parse(good(1) + "---\n" + FILTER.format("linux", "any", "source.ip|expand").replace("192.0.2.1", "'%own%'"))
    assert [failure.reason for failure in found.failed] == ["placeholders without values: own"]
    assert found.filters == []
    assert unfilled(found.rules[0]) == ()


def test_filters_narrow_the_rules_they_name() -> None:
    text = """title: not the scanner
logsource: {product: linux}
filter:
    rules: [rule_1]
    selection:
        source.ip: 192.0.2.1
    condition: not selection
"""
    found = parse(good(1) + "---\n" + good(2) + "---\n" + text)
    assert found.failed == []
    from soc_core.events import EventBatch

    row = {"sigma.logsource": ["linux//"], "user.name": "root", "event.id": "1"}
    detector = SigmaDetector(found)
    ids = [f.rule_id for f in detector.detect(EventBatch.from_dicts([row | {"source.ip": "192.0.2.1"}]))]
    assert ids == [ID.format(2)]
    assert len(detector.detect(EventBatch.from_dicts([row | {"source.ip": "192.0.2.2"}]))) == 2


def test_the_cache_gives_the_same_rules(tmp_path: Path) -> None:
    rules, folder = tmp_path / "rules", tmp_path / "cache"
    rules.mkdir()
    (rules / "a.yml").write_text(good(1) + "---\n" + CORRELATION.format("rule_1"))
    (rules / "b.yml").write_text(good(2))

    def plain(found: RuleSet) -> tuple[object, ...]:
        return (found.rules, found.correlations, found.filters, found.failed, found.documents)

    cold, warm = load_rules([rules], cache=folder), load_rules([rules], cache=folder)
    assert plain(cold) == plain(warm) == plain(load_rules([rules]))
    (rules / "b.yml").write_text(good(3))
    assert {rule.id for rule in load_rules([rules], cache=folder).rules} == {ID.format(1), ID.format(3)}
    (rules / "c.yml").write_text(good(4).replace(f"id: {ID.format(4)}\nname: rule_4\n", ""))
    load_rules([rules], cache=folder)
    (rules / "c.yml").rename(rules / "d.yml")  # a rule without an id is called after its file
    assert plain(load_rules([rules], cache=folder)) == plain(load_rules([rules]))
    for path in folder.iterdir():
        path.write_bytes(b"{broken")
    assert plain(load_rules([rules], cache=folder)) == plain(load_rules([rules]))
