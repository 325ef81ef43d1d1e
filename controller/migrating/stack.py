"""A stack file as it is edited: where the labels of its services stand, and how some come in and others go out. Pure.

The text is edited where labels are and nowhere else, so all the rest keeps its form, comments included.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from controller.sources.strict_yaml import DocumentError, compose

_PLAIN = re.compile(r"/?[A-Za-z][A-Za-z0-9/._-]*|/")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Entry:
    """A label as it stands there, from ``start`` to ``end`` in the text; None if it is merged from elsewhere."""

    label: str
    value: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """The labels of one service: those of the service itself, and those of its containers.

    ``place`` is where labels can come in, and the text before each of them; None if they cannot, for the block is not
    this service's alone.
    """

    service: str
    entries: tuple[Entry, ...] = ()
    of_containers: tuple[Entry, ...] = ()
    place: "Place | None" = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the service by name."""
        return {entry.label: entry.value for entry in self.entries}


@dataclass(frozen=True, slots=True)
class Place:
    """Where labels come in: ``indent`` is what stands before each in a block, None in a flow (``{...}``, ``[...]``)."""

    position: int
    indent: str | None
    listed: bool


def read_blocks(text: str) -> list[LabelBlock]:
    """Return the labels of all services of a stack file, in its order.

    Raises:
        DocumentError: it is no such file.
    """
    services = _child(compose(text), "services")
    if not isinstance(services, yaml.MappingNode):
        raise DocumentError("it has no services")
    found = [
        (str(key.value), _child(item, "labels"), _child(_child(item, "deploy"), "labels"))
        for key, item in services.value
    ]
    used = Counter(each for _, _, own in found for each in _nodes(own))
    return [
        LabelBlock(
            name,
            tuple(_entries(own, text, merged=False)),
            tuple(_entries(outer, text, merged=False)),
            _place(own, text) if own is not None and used[id(own)] == 1 and _is_within(own, item) else None,
        )
        for (name, outer, own), (_, item) in zip(found, services.value, strict=True)
    ]


def _nodes(node: yaml.Node | None) -> Iterator[int]:
    """Return the identities of a mapping and of all that is merged into it."""
    if node is not None:
        yield id(node)
        if isinstance(node, yaml.MappingNode):
            for each in _merged(node):
                yield from _nodes(each)


def _is_within(node: yaml.Node, item: yaml.Node) -> bool:
    return bool(item.start_mark.index <= node.start_mark.index and node.end_mark.index <= item.end_mark.index)


def edited(text: str, blocks: Sequence[tuple[LabelBlock, Mapping[str, str], Collection[str]]]) -> str:
    """Return the text with labels that come in, and without those that go out, for each of these blocks.

    Values are given as they stand in a file, variables included.
    """
    changes = list[tuple[int, int, str]]()
    for block, coming, going in blocks:
        if block.place and coming:
            changes.append((block.place.position, block.place.position, _written(block.place, coming)))
            flow = block.place.indent is None
            changes += [
                _span(text, entry, flow=flow) for entry in block.entries if entry.label in going and entry.start
            ]
    for start, end, replacement in sorted(changes, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the value of a key, also one that is merged in."""
    if not isinstance(node, yaml.MappingNode):
        return None
    found: yaml.Node | None
    for own, found in node.value:
        if own.value == key:
            return found
    return next((found for each in _merged(node) if (found := _child(each, key)) is not None), None)


def _merged(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    for key, value in node.value:
        if key.value == _MERGE:
            yield from value.value if isinstance(value, yaml.SequenceNode) else [value]


def _entries(node: yaml.Node | None, text: str, *, merged: bool) -> Iterator[Entry]:
    """Return the labels of a mapping or a list, each once; its own come before those merged in."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            label, _, value = str(item.value).partition("=")
            yield Entry(label.strip(), value, item.start_mark.index, _end(item, text))
    elif isinstance(node, yaml.MappingNode):
        own = {key.value for key, _ in node.value}
        for key, value in node.value:
            if key.value != _MERGE:
                span = (None, None) if merged else (key.start_mark.index, _end(value, text))
                yield Entry(key.value, _scalar(value), *span)
        inherited = {entry.label: entry for each in _merged(node) for entry in _entries(each, text, merged=True)}
        yield from (entry for label, entry in inherited.items() if label not in own)


def _scalar(node: yaml.Node) -> str:
    if node.tag == "tag:yaml.org,2002:null":
        return ""
    return node.value.lower() if node.tag == "tag:yaml.org,2002:bool" else str(node.value)


def _end(node: yaml.Node, text: str) -> int:
    """Return where a value ends; a block of text (``|``, ``>``) ends before the blank lines behind it."""
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip()) if getattr(node, "style", None) in {"|", ">"} else end


def _place(node: yaml.Node, text: str) -> Place | None:
    if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
        return None
    listed = isinstance(node, yaml.SequenceNode)
    if node.flow_style:
        opening = text.index("[" if listed else "{", node.start_mark.index)
        return Place(opening + 1, None, listed)
    if not node.value:
        return None
    first = (node.value[0] if listed else node.value[0][0]).start_mark.index
    line = text.rfind("\n", 0, first) + 1
    indent = re.match(r"[ ]*", text[line:])
    before = text[line:first]
    if indent is None or before.strip(" ") not in {"", "-"} or before.count("-") != listed:
        return None
    return Place(_behind_the_key(text, line), indent[0], listed)


def _behind_the_key(text: str, line: int) -> int:
    """Return where the line behind that of the key begins: comments between belong to what they stand above."""
    while line:
        above = text.rfind("\n", 0, line - 1) + 1
        if text[above:line].strip() and not text[above:line].lstrip().startswith("#"):
            break
        line = above
    return line


def _written(place: Place, labels: Mapping[str, str]) -> str:
    items = [
        _quoted(f"{label}={value}") if place.listed else f"{label}: {_quoted(value)}" for label, value in labels.items()
    ]
    if place.indent is None:
        return "".join(f"{item}, " for item in items)
    dash = "- " if place.listed else ""
    return "".join(f"{place.indent}{dash}{item}\n" for item in items)


def _quoted(value: str) -> str:
    plain = _PLAIN.fullmatch(value.replace("=", "", 1)) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def _span(text: str, entry: Entry, *, flow: bool) -> tuple[int, int, str]:
    """Return what goes with a label: its lines in a block, the comma behind it in a flow."""
    start, end = entry.start or 0, entry.end or 0
    if flow:
        comma = re.compile(r"\s*,[ ]*").match(text, end)
        return start, comma.end() if comma else end, ""
    line_end = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if line_end < 0 else line_end + 1, ""
