"""Where rules that are pushed down differ from the stream, and what cannot be pushed down at all.

Each has a test that shows it (tests/detections/sigma/test_push.py), and docs/rules.md tells of them.
"""

DIFFERENCES = {
    "letters": "a letter that folds otherwise than it is made small (ſ and s, ς and σ, µ and μ, İ) is its own letter",
    "long patterns": "of a text of more than 8,191 characters, a pattern must lie within 1,000 characters; "
                     "a regular expression about case, or with an anchor, does not see it",
    "overflow": "a field that is not declared is found by its name as written, upper and lower case apart, and only "
                "where it holds a plain value",
    "ipv6 text": "in a column of text, an IPv6 network is recognised by the way addresses are usually written",
    "mixed decoding": "a URL of which one part is encoded and another twice is decoded part by part",
}
INCONVERTIBLE = {
    "json path": "reads a path within a column of JSON text",
    "fieldref": "compares one field with another, which needs scripts",
    "time": "asks for a part of a time, which needs scripts",
    "number pattern": "has a pattern for a number",
    "number text": "compares numbers in a column of text",
    "regex": "has a regular expression with an anchor or word boundary that Lucene has no words for",
    "repeat": "has a regular expression that repeats something more than 60 times",
    "url regex": "has a regular expression for a URL, which is also read decoded",
    "ipv6": "names an IPv6 network that text cannot be compared with",
    "placeholder": "has a placeholder without values here",
    "date": "compares a time as text",
    "long": "is longer than Elasticsearch takes",
}
