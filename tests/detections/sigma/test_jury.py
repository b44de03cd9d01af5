"""Many values judged at once: the same tests are true of each as when it is judged alone, however it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detections.sigma import jury, literals, terms
from detections.sigma.judge import Judge
from detections.sigma.jury import Jury
from detections.sigma.patterns import Patterns
from detections.sigma.terms import ANY, ONE
from soc_core import native
from soc_core.lexicon import ESCAPED, PLAIN, Lexicon
from soc_core.table import Strings

if native.kernels(literals.KERNELS) is None:
    pytest.skip("no kernels here", allow_module_level=True)

PIECES = ["a", "ab", "Ab.e", "\\cmd", "\\\\", ".exe", "c:\\windows\\", '"', "/", "\n", "\x00", "é", "中", "\u212a", "k",
          "xy", ""]
LITERALS = [*PIECES[:-1], "windows\\cmd.exe", "aaaaaaaaa", "abababab", "c:\\windows\\ab.exe"]
TEXTS = st.lists(st.sampled_from([*PIECES, *LITERALS]), max_size=5).map("".join)
OTHERS = [("regex", ("^c:.*exe$", "i")), ("compare", ("gt", "3")), ("cidr", ("192.0.2.0/24",)), ("present", ()),
          ("absent", ()), ("cased", ("Ab.e",)), ("time", ("hour", 3))]


def glob(parts: list[Any]) -> tuple[Any, ...]:
    """A pattern: never one literal beside another."""
    return tuple(part for place, part in enumerate(parts)
                 if not isinstance(part, str) or not place or not isinstance(parts[place - 1], str))


GLOBS = st.one_of(
    st.lists(st.sampled_from([*LITERALS, ANY, ONE]), max_size=4).map(glob),
    st.tuples(st.sampled_from(LITERALS), st.booleans(), st.booleans()).map(
        lambda made: (*[ANY][: made[1]], made[0], *[ANY][: made[2]])))


def asked(globs: list[Any], others: list[Any]) -> list[tuple[int, terms.Test]]:
    made = [terms.Test("text", tuple(glob)) for glob in globs] + [terms.Test(kind, value) for kind, value in others]
    return list(enumerate(made))


def coded(texts: list[str], escaped: list[bool]) -> tuple[Lexicon, Any]:
    """The texts as a lexicon holds them, some as strings of JSON."""
    lexicon = Lexicon()
    bodies = [orjson.dumps(text)[1:-1].replace(b"/", b"\\/") if way else text.encode()
              for text, way in zip(texts, escaped, strict=True)]
    ends = np.cumsum([len(body) for body in bodies])
    starts = ends - [len(body) for body in bodies]
    kinds = np.array([ESCAPED if way else PLAIN for way in escaped], np.uint8)
    return lexicon, lexicon.encode(b"".join(bodies) or b" ", starts, ends, kinds)


class Sets:
    """Sets of tests by numbers."""

    def __init__(self) -> None:
        self.held: list[frozenset[int]] = []

    def number(self, true: frozenset[int]) -> int:
        self.held.append(true)
        return len(self.held) - 1


@settings(deadline=None, max_examples=150)
@given(st.lists(GLOBS, min_size=1, max_size=12), st.lists(st.sampled_from(OTHERS), max_size=2, unique=True),
       st.lists(st.tuples(TEXTS, st.booleans()), min_size=1, max_size=12), st.sampled_from(["", "url"]))
def test_as_one_by_one(globs: list[Any], others: list[Any], rows: list[tuple[str, bool]], decode: str) -> None:
    judge = Judge(asked(globs, others), "auto", None, decode)
    texts = [text for text, _ in rows] + ["192.0.2.7", "12", "a%62.e", "2024-01-01T03:00:00"]
    lexicon, codes = coded(texts, [way for _, way in rows] + [False] * 4)
    held, sets = Jury(judge), Sets()
    for some in (codes[:1], codes, codes[::-1]):
        want = [judge.judge(text) for text in lexicon.some(some.tolist())]
        assert [sets.held[number] for number in held.judged(lexicon, some, sets.number)] == want


@settings(deadline=None, max_examples=60)
@given(st.lists(GLOBS, min_size=1, max_size=12), st.lists(st.sampled_from(OTHERS), max_size=1),
       st.lists(TEXTS, min_size=1, max_size=12), st.sampled_from(["", "url"]))
def test_where_they_lie_in_lines(globs: list[Any], others: list[Any], texts: list[str], decode: str) -> None:
    """What has no code is judged out of its line; what that does not decide is left to who reads it."""
    judge = Judge(asked(globs, others), "auto", None, decode)
    bodies = [orjson.dumps(text)[1:-1] for text in texts]
    ends = np.cumsum([len(body) for body in bodies])
    lines = Strings(np.frombuffer(b"".join(bodies) or b" ", np.uint8), ends - [len(body) for body in bodies], ends)
    held, sets = Jury(judge), Sets()
    rows = np.arange(len(texts))[::-1].copy()
    for row, number in zip(rows.tolist(), held.spanned(lines, rows, sets.number).tolist(), strict=True):
        if number != jury.OPEN:
            assert sets.held[number] == judge.judge(texts[row])
        else:
            assert held.opens or not texts[row].isascii() or b"\\u" in bodies[row] or any(ONE in glob for glob in globs)


def test_all_literals_of_a_text_though_there_is_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is met goes on where it stopped; what is remembered is bounded."""
    monkeypatch.setattr(literals, "ROOM", 1)
    monkeypatch.setattr(jury, "MOST", 3)
    words = [f"w{number:03}" for number in range(300)]
    judge = Judge(asked([(ANY, word, ANY) for word in words] + [(word, ANY) for word in words], []), "auto", None)
    texts = [" ".join(words[number:] + words[:number]) for number in range(0, 300, 7)] + ["", "w", "w001"]
    lexicon, codes = coded([text[:1000] for text in texts], [False] * len(texts))
    sets = Sets()
    assert [sets.held[number] for number in Jury(judge).judged(lexicon, codes, sets.number)] == [
        judge.judge(text[:1000]) for text in texts]


@pytest.mark.parametrize("step", [1, -1])
def test_texts_that_begin_alike(step: int) -> None:
    """What is known of the text before is taken over as far as both are the same, and no further."""
    literals = [*LITERALS, "qwer" + 24 * "a"]  # this one is looked for by what stands at its beginning
    judge = Judge(asked([(ANY, literal, ANY) for literal in literals], []), "auto", None)
    base = "".join(f"-{literal}" for literal in sorted(literals, key=len, reverse=True) if literal.isascii())
    cuts = range(len(base)) if step > 0 else range(len(base), 0, step)
    texts = ["." * odd + base[:cut] + tail for odd in range(8) for cut in cuts for tail in ("", "z" * 20)]
    lexicon, codes = coded(texts, [False] * len(texts))
    sets = Sets()
    assert [sets.held[number] for number in Jury(judge).judged(lexicon, codes, sets.number)] == [
        judge.judge(text) for text in texts]


def test_an_empty_literal_is_left_to_the_judge() -> None:
    assert literals.suits(Patterns([(0, ("a", ANY)), (1, ())], "auto", None))
    assert not literals.suits(Patterns([(0, ("", ANY))], "auto", None))
