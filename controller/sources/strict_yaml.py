"""YAML as stack files need it read: scalars as they are written, no key twice, and the line of everything.

Pure. Errors are `ValueError` with the line in their text.
"""

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

T = TypeVar("T")


class DocumentError(ValueError):
    """The text is not what is read here; the message tells the line, as ``line`` does (0: unknown)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class LineMapping(dict[str, Any]):
    """A mapping that knows the line it begins on, and that of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class LineList(list[Any]):
    """A list that knows the line it begins on, and those of its items."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def refusal(message: str, value: object) -> DocumentError:
    """Return an error about a value, which tells where it begins if that is known."""
    line = getattr(value, "line", 0)
    return DocumentError(f"{message} (line {line})" if line else message, line)


class _Strict(Composer, SafeConstructor, Resolver):
    """The safe loader, made stricter: no guessing at scalars except ``null`` and ``true``/``false``, no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's way

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        # Here and not where the mapping is made: there, keys merged in with "<<" may rightly be there twice.
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        return node


class _Loader(_Strict, yaml.SafeLoader):
    """It reads by itself, and says best what it does not like."""


def _construct_mapping(loader: _Strict, node: yaml.MappingNode) -> Iterator[LineMapping]:
    data = LineMapping(node.start_mark.line + 1)
    yield data
    for key, value in loader.construct_mapping(node).items():
        data[_key(key, node)] = value
    data.lines |= {key.value: key.start_mark.line + 1 for key, _ in node.value}


def _construct_list(loader: _Strict, node: yaml.SequenceNode) -> Iterator[LineList]:
    data = LineList(node.start_mark.line + 1)
    yield data
    data.extend(loader.construct_sequence(node))
    data.lines.extend(item.start_mark.line + 1 for item in node.value)


_strict: Any = _Strict  # PyYAML's types know its own loaders only
_strict.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_strict.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_strict.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
_strict.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_strict.add_constructor("tag:yaml.org,2002:seq", _construct_list)


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    class _QuickLoader(_Strict, CParser):
        """It has a library in C read, four times as fast; no more than that, for very deep nodes crash the library."""

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

else:
    _QuickLoader = _Loader  # type: ignore[assignment,misc]


def _key(key: Hashable, node: yaml.Node) -> str:
    if isinstance(key, str):
        return key
    raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", node.start_mark)


def load(text: str) -> object:
    """Return what a document says.

    Raises:
        DocumentError: it is no such YAML.
    """
    try:
        return _loaded(text, _QuickLoader)
    except (yaml.YAMLError, RecursionError):  # whose words are not as good
        return _read(text, _loaded)


def _loaded(text: str, loader: Callable[[str], Any]) -> object:
    reading = loader(text)
    try:
        return reading.get_single_data()
    finally:
        reading.dispose()


def compose(text: str) -> yaml.Node | None:
    """Return a document as its nodes, which know where in the text they stand; None if it is empty.

    Raises:
        DocumentError: it is no such YAML.
    """
    return _read(text, yaml.compose)


def _read(text: str, read: Callable[[str, type[_Loader]], T]) -> T:
    try:
        return read(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        words = ", ".join(text for text in (error.context, error.problem) if text)
        raise DocumentError(words + where, mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise DocumentError(" ".join(str(error).split())) from None
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None
