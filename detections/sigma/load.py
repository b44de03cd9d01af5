"""Rule files and folders → RuleSet. Each bad rule is set aside alone, with file, line and reason.

A document is a rule, a correlation or a global filter of Sigma 2.1; a file may hold several (`---`). Files named
`*.test.yml` are the rules' own tests and are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaConditionError, SigmaCorrelationConditionError, SigmaError, SigmaLogsourceError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.sigma import bounds, convert, modifiers, yaml12
from detections.sigma.cache import Cache
from detections.sigma.convert import Placeholders
from detections.sigma.rule import Correlation, Failure, Filter, Rule, RuleSet
from detections.sigma.terms import And, Leaf, Not, Tree, leaves
from soc_core import documents

modifiers.register()
# Errors of pySigma that speak of a key without quoting what stands there.
KEYS = {"SigmaIdentifierError": "id"} | {
    f"Sigma{name.capitalize()}Error": name
    for name in ("title", "author", "date", "modified", "description", "falsepositives", "fields", "level", "license",
                 "name", "references", "related", "scope", "status", "taxonomy")
}
TAXONOMIES = ("sigma", "ecs")
SECTIONS = {"detection", "correlation", "filter"}
NO_YAML = (yaml.YAMLError, RecursionError, ValueError)
Loaded = Rule | Correlation | Filter
PLACEHOLDERS = "placeholders.yml"
# What pySigma may raise on a document that is YAML but no rule: its own errors, or Python's on odd shapes.
BAD = (SigmaError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


def files(paths: Iterable[Path]) -> list[Path]:
    """Rule files below these paths, sorted. Raises FileNotFoundError for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*.y*ml") if p.suffix in (".yml", ".yaml") and p.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"no rule file or folder {path}")
    return [path for path in dict.fromkeys(found) if not path.stem.endswith(".test") and path.name != PLACEHOLDERS]


class Values(BaseModel):
    """placeholders.yml of a rule folder: what `%name%` stands for under the modifier expand; wildcards allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    placeholders: dict[str, list[str]]


def values(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Placeholder values that the rule folders state themselves. Raises DocumentError on a bad file."""
    found: dict[str, list[str]] = {}
    for path in paths:
        file = path / PLACEHOLDERS
        if path.is_dir() and file.is_file():
            found |= documents.read(file, Values).placeholders
    return found


def load_rules(paths: Sequence[Path], placeholders: Placeholders | None = None, cache: Path | None = None) -> RuleSet:
    """Everything below the paths, references resolved and filters applied.

    `placeholders` go before those that the folders state in placeholders.yml; `cache` is a folder for parsed rules.
    """
    found = RuleSet()
    items: list[Loaded] = []
    filled = {**values(paths), **(placeholders or {})}
    with Cache(cache, paths, filled) as store:
        for path in files(paths):
            items += _file(path, filled, store, found)
    _unique(items, found)
    _resolve(found)
    return found


def parse(text: str, path: str = "rule.yml", placeholders: Placeholders | None = None) -> RuleSet:
    """The documents of one text as a rule set of their own."""
    found = RuleSet()
    _unique(_text(text, path, placeholders or {}, found), found)
    _resolve(found)
    return found


def _file(path: Path, placeholders: Placeholders, store: Cache, found: RuleSet) -> list[Loaded]:
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found.documents += 1
        found.failed.append(Failure(str(path), 1, f"cannot be read: {error}"))
        return []
    known = store.get(data, str(path))
    if known is not None:
        found.documents += len(known)
        return known
    before = len(found.failed)
    items = _text(text, str(path), placeholders, found)
    if len(found.failed) == before:
        store.put(data, str(path), items)
    return items


def _text(text: str, path: str, placeholders: Placeholders, found: RuleSet) -> list[Loaded]:
    read: list[tuple[int, Any]] = []
    try:
        documents = yaml12.Documents(text)
    except NO_YAML as error:
        found.documents += 1
        found.failed.append(Failure(path, *yaml12.reason(error)))
        return []
    for number in range(len(documents.nodes)):
        try:
            data = documents.data(number)
        except NO_YAML as error:
            found.documents += 1
            found.failed.append(Failure(path, *yaml12.reason(error)))
            continue
        if data is not None:
            read.append((documents.line(number), data))
    if any(isinstance(data, dict) and "action" in data for _, data in read):
        groups = [(0, 1, [data for _, data in read])]  # a collection: later documents build on earlier ones
    else:
        groups = [(number, line, [data]) for number, (line, data) in enumerate(read)]
    items: list[Loaded] = []
    for number, line, group in groups:
        items += _documents(group, text, path, (number, line), placeholders, found)
    return items


def _documents(
    group: list[Any], text: str, path: str, place: tuple[int, int], placeholders: Placeholders, found: RuleSet
) -> list[Loaded]:
    items: list[Loaded] = []
    before, line = place
    try:
        if not all(isinstance(document, dict) for document in group):
            raise ValueError("a rule must be a map of keys")
        if len(group) == 1 and not SECTIONS & set(group[0]):
            raise ValueError("neither detection, correlation nor filter in it: not a Sigma rule")
        for name in sorted(SECTIONS):
            if any(not isinstance(document.get(name, {}), dict) for document in group):
                raise ValueError(f"'{name}:' wants a map of keys")
        group = [bounds.prepare(document) for document in group]
        parsed = SigmaCollection.from_dicts(group, collect_filters=True, resolve_references=False)
        stem = Path(path).stem
        for number, source in enumerate([*parsed.rules, *parsed.filters], before):
            top = convert.head(source, path, line, f"{stem}-{number}" if number else stem)
            if source.taxonomy not in TAXONOMIES:
                raise ValueError(f"the taxonomy '{source.taxonomy}' is not known here: {', '.join(TAXONOMIES)}")
            match source:
                case SigmaRule():
                    item: Loaded = convert.rule(source, top, placeholders)
                case SigmaCorrelationRule():
                    item = convert.correlation(source, top)
                case SigmaFilter():
                    item = convert.filter_(source, top, placeholders)
            if not isinstance(item, Correlation) and sum(1 for _ in leaves(item.tree)) > convert.MOST_LEAVES:
                raise ValueError(f"more than {convert.MOST_LEAVES} tests in one rule")
            items.append(item)
    except BAD as error:
        found.failed.append(Failure(path, _line(error, text, line), _reason(error)))
        found.documents += 1
        return []
    found.documents += len(items)
    return items


def _reason(error: BaseException) -> str:
    text = re.sub(r"'?<sigma\.types\.Sigma(\w+) object at 0x\w+>'?", lambda found: found[1].lower(), str(error))
    if isinstance(error, SigmaError):
        return text.split(" in /")[0]
    return text if isinstance(error, ValueError) else f"not the shape of a Sigma rule: {text or type(error).__name__}"


def _line(error: BaseException, text: str, start: int) -> int:
    """The line that the error speaks of: its section's, or where a word that it quotes stands."""
    lines = text.splitlines()
    ends = (number for number in range(start, len(lines)) if lines[number].startswith("---"))
    lines = lines[: next(ends, len(lines))]

    def first(test: Callable[[str], bool]) -> int:
        return next((number + 1 for number in range(start - 1, len(lines)) if test(lines[number])), 0)

    found = 0
    if isinstance(error, SigmaConditionError | SigmaCorrelationConditionError):
        found = first(lambda line: line.strip().startswith("condition:"))
    elif isinstance(error, SigmaLogsourceError):
        found = first(lambda line: line.strip().startswith("logsource:"))
    key = "tags" if str(error).startswith("Sigma tag") else KEYS.get(type(error).__name__, "")
    found = found or (first(lambda line: line.startswith(f"{key}:")) if key else 0)
    for word in re.findall(r"'\s*([^']+?)\s*'", str(error)):
        found = found or first(lambda line, word=word: word in line)  # type: ignore[misc]  # bound now
    return found or first(lambda line: line.strip().startswith("detection:")) or start


def _unique(items: list[Loaded], found: RuleSet) -> None:
    """Sort into the set; a second document with a known id is set aside."""
    seen: dict[str, str] = {}
    for item in items:
        if item.head.id in seen:
            where = seen[item.head.id]
            found.failed.append(Failure(item.head.path, item.head.line, f"id {item.head.id} is used by {where}"))
            continue
        seen[item.head.id] = item.head.path
        match item:
            case Rule():
                found.rules.append(item)
            case Correlation():
                found.correlations.append(item)
            case Filter():
                found.filters.append(item)


def _names(found: RuleSet) -> dict[str, str]:
    """Names and ids → ids. A name that two have means the first of them, and is told."""
    ids = {item.head.id: item.head.id for item in found.items}
    for item in found.items:
        if item.head.name and ids.setdefault(item.head.name, item.head.id) != item.head.id:
            found.warn(item.head, f"the name {item.head.name} means {ids[item.head.name]}, which has it, too")
    return ids


def _founded(found: RuleSet, ids: dict[str, str]) -> tuple[list[Correlation], list[Correlation]]:
    """Correlations that rest on rules in the end, and those that do not: rules are missing, or they go in a circle."""
    known = {rule.id for rule in found.rules}
    left = [c for c in found.correlations if c.rules]
    while settled := [c for c in left if all(ids.get(ref) in known for ref in c.rules)]:
        known |= {c.id for c in settled}
        left = [c for c in left if c.id not in known]
    kept = [c for c in found.correlations if c.id in known]
    return kept, [c for c in found.correlations if c.id not in known]


def _resolve(found: RuleSet) -> None:
    """References by name become ids; correlations without their rules are set aside; filters are applied."""
    ids = _names(found)
    kept, lost = _founded(found, ids)
    for item in lost:
        missing = ", ".join(ref for ref in item.rules if ref not in ids)
        reason = f"rules it correlates are missing: {missing or 'none named'}" if missing or not item.rules else (
            f"it correlates what is set aside, or itself: {', '.join(item.rules)}")
        found.failed.append(Failure(item.head.path, item.head.line, reason))
    found.correlations = [
        replace(
            c,
            rules=tuple(ids[ref] for ref in c.rules),
            expression=None if c.expression is None else bounds.renamed(c.expression, ids),
            aliases={a: {ids.get(r, r): f for r, f in m.items()} for a, m in c.aliases.items()},
        )
        for c in kept
    ]
    for c in found.correlations:
        odd = sorted({name for named in c.aliases.values() for name in named} - set(ids.values()))
        if odd:
            found.warn(c.head, f"its aliases name {', '.join(odd)}, which is not there")
    quiet = {ref for c in found.correlations if not c.generate for ref in c.rules}
    quiet -= {ref for c in found.correlations if c.generate for ref in c.rules}
    found.rules = [replace(rule, quiet=True) if rule.id in quiet else rule for rule in found.rules]
    for each in found.filters:
        _filter(found, each, ids)


def _filter(found: RuleSet, each: Filter, ids: dict[str, str]) -> None:
    """One filter applied; whatever it names and does not reach is told."""
    wanted = {ids.get(ref, ref) for ref in each.rules}
    reached = {rule.id for rule in found.rules
               if (not wanted or rule.id in wanted) and each.logsource.takes(rule.logsource)}
    for ref in each.rules:
        if ref not in ids:
            found.warn(each.head, f"it filters {ref}, which is not there")
        elif ids[ref] not in reached:
            found.warn(each.head, f"it does not reach {ref}: a correlation, or of another log source")
    names = list(dict.fromkeys(name for leaf in leaves(each.tree) if leaf.test.kind == "unfilled"
                               for name in leaf.test.value))
    if names:
        found.failed.append(Failure(each.head.path, each.head.line, f"placeholders without values: {', '.join(names)}"))
        found.filters = [kept for kept in found.filters if kept is not each]
        return
    if not _denies(each.tree):
        found.warn(each.head, "it keeps only what its condition names: to leave something out, say 'not'")
    found.rules = [replace(rule, tree=And((rule.tree, each.tree))) if rule.id in reached else rule
                   for rule in found.rules]


def _denies(tree: Tree) -> bool:
    """Whether anything in a condition is denied."""
    return isinstance(tree, Not) or (not isinstance(tree, Leaf) and any(map(_denies, tree.items)))
