"""Rewriting as HAProxy does it is rewriting as the label says: Python's ``re.sub`` is the judge of a common subset.

What is searched and what it is replaced by contain every sign that means something to HAProxy's configuration, to the
arguments of its converters, or to a log-format; an error in quoting gives another path, or no configuration at all.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import desired_of, rendered_of, service, snapshot
from traffic import ask, echo_server, request_bytes, running_haproxy

from models.settings import ProxySettings

PAIRS = 400
TEXTS = ["a", "b", "/", "x", "0", ",", ":", "%5B", "%%", "%d", *"#%;&=~@!-_<>"]
"""Texts that stand for themselves in an expression as well as in what replaces it."""
ESCAPED = [rf"\{sign}" for sign in ".()[]\\$^|{}*+?"]
CLASSES = {"[ab/]": "b", "[^/]": ";", "[,)(]": ")", r"[\]x]": "]", "[$%#]": "$", r"\d": "7", r"\w": "w", ".": "|"}
PIECES = {text: text for text in TEXTS if "#" not in text} | {text: text[1] for text in ESCAPED} | CLASSES
"""Pieces of expressions, each with a text that it matches."""
QUANTIFIERS = ["", "", "", "?", "*", "+", "{1,2}", "{2}"]
PATH_SIGNS = "ab/x0,:%$;&=~@!+-_<>.()[]\\^|{}*5BdHOME"


@dataclass(frozen=True)
class Pair:
    """What is searched, what it is replaced by, and how; ``sample`` is a text that matches, anchors aside."""

    search: str
    replace: str
    flags: str
    sample: str

    @property
    def label(self) -> str:
        """The pair as it is written in a label."""
        parts = (self.search, self.replace, *([self.flags] if self.flags else []))
        return ",".join(part.replace(",", r"\,").replace(":", r"\:") for part in parts)

    def applied(self, path: str) -> str:
        """Return the path as Python replaces it."""
        flags = re.IGNORECASE if "i" in self.flags else 0
        return re.sub(self.search, self.replace, path, count=0 if "g" in self.flags else 1, flags=flags)


def random_pair(dice: random.Random) -> Pair:
    """Return a pair that Python and PCRE understand alike."""
    groups = dice.randrange(3)
    parts = [random_piece(dice) for _ in range(dice.randrange(1, 4))]
    for piece, sample in (random_piece(dice) for _ in range(groups)):
        parts.append((f"({piece}{dice.choice(['', '|a', '|,'])})", sample))
    dice.shuffle(parts)
    search = dice.choice(["", "", "^/"]) + "".join(piece for piece, _ in parts) + dice.choice(["", "", "$"])
    texts = [*(text for text in TEXTS if text != "0"), r"\\", "$HOME", ")", "]", "}", "+", "*"]
    replace = "".join(dice.choice([*texts, *(rf"\{number}" for number in range(1, groups + 1))]) for _ in range(4))
    return Pair(
        search,
        f"{dice.choice(['/', '/', ''])}{replace}",
        dice.choice(["", "", "g", "i", "gi"]),
        "".join(sample for _, sample in parts),
    )


def random_piece(dice: random.Random) -> tuple[str, str]:
    """Return a piece of an expression, with a text that it matches."""
    piece, sample = dice.choice(list(PIECES.items()))
    quantifier = "" if len(sample) > 1 else dice.choice(QUANTIFIERS)
    return piece + quantifier, sample * 2 if quantifier == "{2}" else sample


def random_path(dice: random.Random, pair: Pair) -> str:
    """Return a path that has a fair chance to match."""
    before, after = ("".join(dice.choice(PATH_SIGNS) for _ in range(dice.choice([0, 0, 3, 6]))) for _ in range(2))
    return f"/{before}{pair.sample}{after}".replace("?", "x")


def slashed(path: str) -> str:
    """Return a path with the slash that a substitution may have taken away: without one there is no request."""
    return path if path.startswith("/") else f"/{path}"


def is_comparable(pair: Pair) -> bool:
    """Tell whether a label may have it, and all regular expression libraries mean the same by it."""
    is_markup = any(mark in pair.label for mark in ("{{", "}}", "{%", "%["))
    return not is_markup and not ("g" in pair.flags and re.fullmatch(pair.search, ""))


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("normalize_paths", [False, True])
async def test_haproxy_rewrites_as_python_does(version: str, *, normalize_paths: bool, folder: Path) -> None:
    """One service per pair, several paths each; the server tells which request line it got.

    Where paths are compared in their normal form, those that have more than one spelling may be refused.
    """
    settings = ProxySettings(normalize_paths=normalize_paths)
    dice = random.Random(19)
    pairs = [pair for pair in (random_pair(dice) for _ in range(PAIRS)) if is_comparable(pair)]
    asked = [(number, random_path(dice, pair)) for number, pair in enumerate(pairs) for _ in range(4)]
    async with echo_server() as upstream:
        labels = {"port": str(upstream), "outboundHostname": "127.0.0.1"}
        services = [
            service(f"s{n}", {**labels, "serviceDomain": f"s{n}.x", "reqPathSearchReplace": pair.label})
            for n, pair in enumerate(pairs)
        ]
        world = snapshot(*services)
        assert {fact.message for facts in desired_of(world).conditions.values() for fact in facts} == {""}
        rendered = rendered_of(world, settings=settings)
        with running_haproxy(haproxy_binary(version), rendered, folder) as port:
            answers = await ask(port, [request_bytes(f"{path}?q=/a,b", f"s{number}.x") for number, path in asked])
    wrong = {
        (pairs[number], path): (answer.body.decode(), expected)
        for (number, path), answer in zip(asked, answers, strict=True)
        if not (answer.status == 400 and normalize_paths and re.search(r"[%;\\]|//|/\.", path))
        and answer.body.decode() != (expected := f"GET {slashed(pairs[number].applied(path))}?q=/a,b HTTP/1.1")
    }
    assert wrong == {}
    assert sum(answer.status == 200 for answer in answers) > len(asked) / 4
    assert sum(pairs[number].applied(path) != path for number, path in asked) > len(asked) / 4
