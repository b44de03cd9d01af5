"""pySigma's parsed documents turned into our own small nouns, with placeholders filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaConditionError, SigmaPlaceholderError, SigmaValueError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaDetections, SigmaRule
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from detections.sigma import bounds, condition, multi
from detections.sigma.modifiers import like
from detections.sigma.rule import Correlation, Filter, Head, LogSource, Rule
from detections.sigma.terms import ANY, ONE, And, Leaf, Not, Or, Part, Test, Tree, as_text
from soc_core.clock import SECOND
from soc_core.models import LEVELS, Level
from soc_core.text import both

Placeholders = Mapping[str, Sequence[str]]
MOST_LEAVES = 100_000


def pattern(value: SigmaString) -> tuple[Part, ...]:
    """Literals and wildcards, with neighbours joined."""
    parts: list[Part] = []
    for part in value.s:
        if isinstance(part, Placeholder):
            raise SigmaPlaceholderError(f"the placeholder %{part.name}% was not filled in")
        if isinstance(part, SpecialChars):
            wild = ANY if part is SpecialChars.WILDCARD_MULTI else ONE
            if not (wild == ANY and parts and parts[-1] == ANY):
                parts.append(wild)
        elif part and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part:
            parts.append(part)
    return tuple(parts)


def _around(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A keyword's pattern: anywhere in the text."""
    head: tuple[Part, ...] = () if parts and parts[0] == ANY else (ANY,)
    tail: tuple[Part, ...] = () if not parts or parts[-1] == ANY else (ANY,)
    return head + parts + tail


def _missing(value: Any, placeholders: Placeholders) -> list[str]:
    text = value.regexp if isinstance(value, SigmaRegularExpression) else value
    parts = text.s if isinstance(text, SigmaString) else ()
    return [part.name for part in parts if isinstance(part, Placeholder) and part.name not in placeholders]


def _fill(value: Any, placeholders: Placeholders) -> list[Any]:
    """A value with its placeholders replaced: as many values as there are combinations."""

    def each(found: Placeholder) -> Iterator[Any]:
        for text in placeholders[found.name]:
            yield SigmaString(text)

    if not isinstance(value, (SigmaString, SigmaRegularExpression)) or not value.contains_placeholder():
        return [value]
    filled = value.replace_placeholders(each)
    return [like(value, one) if isinstance(value, SigmaString) and isinstance(one, SigmaString) else one
            for one in filled]


def _test(value: Any, keyword: bool) -> Test:
    match value:
        case SigmaString():
            parts = pattern(value)
            kind = "cased" if isinstance(value, SigmaCasedString) else "text"
            return Test("cased" if kind == "cased" else "text", _around(parts) if keyword else parts)
        case SigmaTimestampPart():
            return Test("time", (value.timestamp_part.name.lower(), value.number))
        case SigmaNumber():
            return Test("text", _around((as_text(value.number),)) if keyword else (as_text(value.number),))
        case SigmaBool():
            return Test("text", (as_text(value.boolean),))
        case SigmaNull() if keyword:
            raise SigmaValueError("null is a value of a field: no keyword is missing")
        case SigmaNull():
            return Test("absent", ())
        case SigmaExists():
            return Test("present" if value.exists else "absent", ())
        case SigmaRegularExpression():
            flags = "".join(sorted({"IGNORECASE": "i", "MULTILINE": "m", "DOTALL": "s"}[f.name] for f in value.flags))
            multi.compile_re2(str(value.regexp), flags)  # no engine that backtracks ever sees event data
            return Test("regex", (str(value.regexp), flags))
        case SigmaCIDRExpression():
            return Test("cidr", (str(value.network),))
        case SigmaCompareExpression():
            return Test("compare", (value.op.name.lower(), value.number.number))
        case SigmaFieldReference():
            how = {(False, False): "equals", (True, False): "startswith", (False, True): "endswith"}
            return Test("same", (value.field, how.get((value.starts_with, value.ends_with), "contains")))
    raise SigmaValueError(f"values of type {type(value).__name__} are not supported")


def _leaf(field: str | None, value: Any, placeholders: Placeholders) -> Tree:
    if isinstance(value, SigmaExpansion):
        return Or(tuple(_leaf(field, item, placeholders) for item in value.values))
    missing = _missing(value, placeholders)
    if missing:
        return Leaf(field, Test("unfilled", tuple(missing)))
    filled = _fill(value, placeholders)
    tests = tuple(Leaf(field, _test(item, field is None)) for item in filled)
    return tests[0] if len(tests) == 1 else Or(tests)


def tree(node: Any, placeholders: Placeholders) -> Tree:
    """Our tree of pySigma's condition. Raises SigmaError where it asks for what cannot be judged."""
    if isinstance(node, ConditionNOT):
        return Not(tree(node.args[0], placeholders))
    if isinstance(node, (ConditionAND, ConditionOR)):
        items = tuple(tree(item, placeholders) for item in node.args)
        if len(items) == 1:
            return items[0]
        return And(items) if isinstance(node, ConditionAND) else Or(items)
    if node is None:
        raise SigmaConditionError("the condition names no search identifier")
    return _leaf(getattr(node, "field", None), node.value, placeholders)


def _conditions(detections: SigmaDetections, placeholders: Placeholders) -> Tree:
    trees = tuple(tree(condition.parse(text, detections), placeholders) for text in detections.condition)
    return trees[0] if len(trees) == 1 else Or(trees)


def head(source: SigmaRule | SigmaCorrelationRule | SigmaFilter, path: str, line: int, fallback: str) -> Head:
    """What stands above every rule. `fallback` is the id of a rule without one."""
    custom = dict(source.custom_attributes or {})
    own = custom.get("citysoc") if isinstance(custom.get("citysoc"), dict) else {}
    level = getattr(source.level, "name", "medium").lower()
    return Head(
        id=str(source.id) if source.id else source.name or fallback,
        title=source.title or fallback,
        level=_level(level),
        path=path,
        line=line,
        name=source.name or "",
        title_zh=str(custom.get("title_zh", "")),
        status=getattr(source.status, "name", "").lower(),
        description=both(str(custom.get("description_zh", "")), source.description or ""),
        author=source.author or "",
        license=source.license or "",
        tags=tuple(str(tag) for tag in source.tags),
        falsepositives=tuple(source.falsepositives or ()),
        group_by=tuple(str(name) for name in (own or {}).get("group_by", ())),
    )


def _level(name: str) -> Level:
    return next((level for level in LEVELS if level == name), "medium")


def logsource(source: Any) -> LogSource:
    return LogSource(*((part or "").lower() for part in (source.product, source.category, source.service)))


def rule(source: SigmaRule, top: Head, placeholders: Placeholders) -> Rule:
    return Rule(top, logsource(source.logsource), _conditions(source.detection, placeholders))


def filter_(source: SigmaFilter, top: Head, placeholders: Placeholders) -> Filter:
    wanted = source.filter.rules
    names = () if isinstance(wanted, str) else _names("rules", [reference.reference for reference in wanted])
    return Filter(top, logsource(source.logsource), names, _conditions(source.filter, placeholders))


def _names(key: str, found: Iterable[Any]) -> tuple[str, ...]:
    """What a document names under a key. Raises SigmaValueError where something else than a name stands."""
    names = tuple(found)
    odd = [name for name in names if not isinstance(name, str) or not name]
    if odd:
        raise SigmaValueError(f"'{key}:' wants names, not {odd[0]!r:.60}")
    return names


def correlation(source: SigmaCorrelationRule, top: Head) -> Correlation:
    """A correlation whose document went through bounds.prepare."""
    ours = (source.custom_attributes or {}).get(bounds.OURS) or {}
    rules = _names("rules", [reference.reference for reference in source.rules or ()])
    fields = source.condition.fieldref if isinstance(source.condition, SigmaCorrelationCondition) else None
    return Correlation(
        head=top,
        kind=source.type.name.lower(),
        rules=rules,
        span=source.timespan.seconds * SECOND,
        group_by=_names("group-by", source.group_by or ()),
        bounds=ours.get("bounds") or (("gte", len(rules)),),
        fields=_names("field", [fields] if isinstance(fields, str) else fields or ()),
        percentile=ours.get("percentile"),
        expression=ours.get("expression"),
        aliases={a.alias: dict(zip(_names("aliases", [ref.reference for ref in a.mapping]),
                                   _names("aliases", a.mapping.values()), strict=True)) for a in source.aliases},
        generate=source.generate,
    )
