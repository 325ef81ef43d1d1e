"""The quick way to read YAML says what the slow one says: values, lines, and what is refused."""

from collections.abc import Callable, Iterator

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sources import strict_yaml
from controller.sources.strict_yaml import DocumentError, LineList, LineMapping

_WORDS = st.text(st.sampled_from("ab: #-{}[],&*!|>'\"%@`\n\t~<é\u2028"), max_size=12) | st.sampled_from(
    ["true", "null", "<<", "1", "com.df.port", "a: b"]
)
_DOCUMENTS = st.recursive(
    _WORDS | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


def _slowly(text: str) -> object:
    return strict_yaml._read(text, strict_yaml._loaded)


def _lines(value: object) -> Iterator[object]:
    if isinstance(value, LineMapping | LineList):
        yield value.line, value.lines
        for inner in value.values() if isinstance(value, LineMapping) else value:
            yield from _lines(inner)


def _answer(read: Callable[[str], object], text: str) -> object:
    try:
        value = read(text)
    except DocumentError as error:
        return str(error)
    return value, [*_lines(value)]


@settings(max_examples=300)
@given(
    document=_DOCUMENTS,
    flow=st.sampled_from([None, True, False]),
    place=st.integers(0, 200),
    insertion=st.sampled_from(["", " ", "\n", ":", "-", "'"]),
)
def test_what_is_written_is_read_the_same(*, document: object, flow: bool | None, place: int, insertion: str) -> None:
    """Values, lines and errors; also after a slip of the pen."""
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True)
    for each in (text, text[:place] + insertion + text[place:], text[:place] + text[place + 1 :]):
        assert _answer(strict_yaml.load, each) == _answer(_slowly, each)
