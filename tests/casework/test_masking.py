"""What is hidden of a person, value by value: in columns that are his, in texts that say his name, and no further."""

from __future__ import annotations

from typing import Any

import pytest

from casework import masking
from soc_core.models import Alert, Incident
from soc_core.protocols import Bucket

PERSON, PHONE, NUMBER = "欧阳若兰", "13812345678", "11010519491231002X"
HIDDEN = "欧***"


def alert(**told: Any) -> Alert:
    return Alert.model_construct(**{"title": "", "explanation": "", "group": {}, "entities": {}, **told})


def test_a_name_among_the_entities_is_hidden_in_every_text_of_the_alert() -> None:
    shown = masking.alert(alert(
        title=f"{PERSON} {PHONE}", explanation=f"by {PERSON}, {NUMBER}", group={"user.full_name": PERSON, "host": "h1"},
        entities={"user.full_name": [PERSON], "source.ip": ["192.0.2.1", PHONE]}))
    assert (shown.title, shown.explanation) == (f"{HIDDEN} 138****5678", f"by {HIDDEN}, 110105********002X")
    assert shown.group == {"user.full_name": HIDDEN, "host": "h1"}
    assert shown.entities == {"user.full_name": [HIDDEN], "source.ip": ["192.0.2.1", "138****5678"]}


def test_a_name_of_one_letter_takes_nothing_out_of_texts() -> None:
    shown = masking.alert(alert(title="a man", entities={"user.full_name": ["a"], "host.name": ["an"]}))
    assert (shown.title, shown.entities) == ("a man", {"user.full_name": ["*"], "host.name": ["an"]})
    assert masking.rows([{"user.full_name": "a", "message": "a man"}]) == [{"user.full_name": "*", "message": "a man"}]
    two = masking.rows([{"user.full_name": "欧阳", "message": "欧阳 and 欧"}])
    assert two == [{"user.full_name": "欧*", "message": "欧* and 欧"}]


def test_what_is_no_name_is_hidden_in_its_own_column_alone() -> None:
    assert masking.alert(alert(title="host-01 down", entities={"host.name": ["host-01"]})).title == "host-01 down"


def test_a_row_hides_its_person_in_lists_and_objects_and_keeps_the_rest() -> None:
    row = {"user.full_name": PERSON, "message": f"{PERSON} came", "tags": [PERSON, "x"], "n": 4, "none": None,
           "overflow": {"who": {"name": PERSON}, "tel": [PHONE]}}
    other = {"message": f"{PERSON} came"}  # nothing says here that this is a name
    assert masking.rows([row, other]) == [
        {"user.full_name": HIDDEN, "message": f"{HIDDEN} came", "tags": [HIDDEN, "x"], "n": 4, "none": None,
         "overflow": {"who": {"name": HIDDEN}, "tel": ["138****5678"]}}, other]
    assert row["user.full_name"] == PERSON  # what is stored stays


@pytest.mark.parametrize(("field", "key", "shown"), [
    ("user.full_name", PERSON, HIDDEN), ("message", f"to {PHONE}", "to 138****5678"), ("message", PERSON, PERSON),
    ("http.response.status_code", 404, 404),
])
def test_counts_hide_their_keys(field: str, key: Any, shown: Any) -> None:
    assert masking.buckets([Bucket(key, 3)], field) == [Bucket(shown, 3)]


def test_an_incidents_title_is_masked() -> None:
    found = masking.incident(Incident.model_construct(id="i", title=f"calls of {PHONE}"))
    assert (found.id, found.title) == ("i", "calls of 138****5678")
