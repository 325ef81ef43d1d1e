"""Tests of requests in words, for those who wrote the labels that ask for them."""

import re

from models.predicates import Predicate

PATH = "var(txn.path)"
HOST_FORMS = "hdr_"
"""What the fetches of the host begin with, where a lookup cannot do (`models.claims`)."""

_METHOD = re.compile(r"(?:hdr_|-m )(\w+)")
_SUBJECTS = {PATH: "the path", "req.fhdr(User-Agent)": "User-Agent"}
_VERBS = {
    "str": ("is", "is not"),
    "beg": ("begins with", "does not begin with"),
    "end": ("ends with", "does not end with"),
    "sub": ("contains", "does not contain"),
    "dir": ("has the part", "does not have the part"),
    "reg": ("matches", "does not match"),
}


def condition(predicate: Predicate) -> str:
    """Return a test in words."""
    patterns = " or ".join(predicate.patterns)
    if predicate.fetch == "dst_port":
        return f"the port is {patterns}"
    form = _METHOD.match(" ".join(predicate.flags[-2:])) or _METHOD.match(predicate.fetch)
    return f"{_subject(predicate.fetch)} {_VERBS[form[1] if form else 'str'][predicate.negated]} {patterns}"


def _subject(fetch: str) -> str:
    if fetch.startswith(HOST_FORMS):
        return "the host"
    return _SUBJECTS.get(fetch) or f"the header {fetch.partition('(')[2].rstrip(')')}"
