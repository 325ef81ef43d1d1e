"""Jinja2 for raw configuration: two dialects that only put facts into text, in bounded time and space.

Both see nothing but the facts that they are given: there are no attributes, calls, imports or globals. Labels may put
in values and choose between texts; files of the operator may also go through lists. What a template makes is text like
any other, and is judged afterwards.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.visitor import NodeTransformer

_LARGEST_TEXT = 64 * 1024
"""Characters that a template may make, as a whole and on the way."""
_MOST_ROUNDS = 10_000
"""Rounds of all loops of one rendering together."""
_DEEPEST = 40
_BUDGET = " rounds"
"""The name of what counts rounds; no template can name it."""
_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth"})
_GO = re.compile(r"\{\{-?\s*(\.|\$|(range|if|else|end|with|template|define)\b)")

_LABEL_NODES: frozenset[type[nodes.Node]] = frozenset(
    {
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem),
        *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat),
        *(nodes.Filter, nodes.Test),
    }
)
_FILE_NODES = _LABEL_NODES | {nodes.For, nodes.Assign, nodes.List, nodes.Keyword}
_LABEL_FILTERS = frozenset({"default", "d", "lower", "upper", "replace", "join"})
_FILE_FILTERS = _LABEL_FILTERS | {
    *("length", "count", "first", "last", "trim", "sort", "unique", "reverse", "list", "int", "string"),
}
_TESTS = ("defined", "undefined", "none", "in", "eq", "ne", "string", "number", "odd", "even")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What templates may consist of, and how many characters they may have."""

    nodes: frozenset[type[nodes.Node]]
    filters: frozenset[str]
    longest: int
    allowed: str


_COMMON_WORDS = "{{ name }}, {% if %}, comparisons, and, or, not, '~'"

LABEL = Dialect(
    _LABEL_NODES,
    _LABEL_FILTERS,
    longest=8 * 1024,
    allowed=f"{_COMMON_WORDS}, and the filters {', '.join(sorted(_LABEL_FILTERS))}",
)
"""What labels may have: values and choices."""
FILE = Dialect(
    _FILE_NODES,
    _FILE_FILTERS,
    longest=_LARGEST_TEXT,
    allowed=f"{_COMMON_WORDS}, {{% for %}}, {{% set %}}, and the filters {', '.join(sorted(_FILE_FILTERS))}",
)
"""What files and variables of the operator may have besides: loops over lists."""


def is_template(text: str) -> bool:
    """Return whether a text has anything of a template in it."""
    return "{{" in text or "{%" in text


def rendered(source: str, facts: Mapping[str, object], dialect: Dialect) -> str:
    """Return what a template makes of facts; a text that is none stays as it is.

    Raises:
        ValueError: it does not parse, uses what its dialect does not have, names an unknown fact, or makes too much.
    """
    if not is_template(source):
        return source
    template = _template(source, dialect)
    pieces, size = list[str](), 0
    try:
        for piece in template.generate({**facts, _BUDGET: _Budget()}):
            size += len(piece)
            _check_size(size)
            pieces.append(piece)
    except TemplateError as error:
        raise ValueError(f"is a template that cannot be filled in: {_one_line(error)}{_hint(source)}") from None
    except (TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"is a template that cannot be filled in ({type(error).__name__})") from None
    return "".join(pieces)


def check_template(source: str, dialect: Dialect) -> None:
    """Check what can be told of a template without any facts.

    Raises:
        ValueError: it does not parse, or uses what its dialect does not have.
    """
    if is_template(source):
        _template(source, dialect)


class _Budget:
    """Counts the rounds of all loops."""

    def __init__(self) -> None:
        self.left = _MOST_ROUNDS

    def each(self, items: Iterable[object]) -> Iterator[object]:
        for item in items:
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"is a template with more than {_MOST_ROUNDS} rounds of loops")
            yield item


class _FactsOnly(ImmutableSandboxedEnvironment):
    """Looks things up in facts, and reaches nothing else of them: no attribute, no method."""

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - as in Jinja
        if isinstance(obj, Mapping) or (isinstance(obj, list | tuple) and isinstance(argument, int)):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(obj=obj, name=argument)
        return self.undefined(obj=obj, name=str(argument))

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401, ARG002
        return False


@cache
def _environment(dialect: Dialect) -> _FactsOnly:
    made = _FactsOnly(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        optimized=False,
        finalize=_word,
    )
    made.globals.clear()
    made.filters = {name: FILTERS[name] for name in dialect.filters} | {"replace": _replace, "join": _join}
    made.filters |= {"each": _each} if nodes.For in dialect.nodes else {}
    made.tests = {name: TESTS[name] for name in _TESTS}
    return made


@lru_cache(maxsize=256)
def _template(source: str, dialect: Dialect) -> Template:
    """Parse and check a template.

    Raises:
        ValueError: it does not parse, or uses what its dialect does not have.
    """
    if len(source) > dialect.longest:
        raise ValueError(f"is a template of more than {dialect.longest} characters")
    environment = _environment(dialect)
    try:
        tree = environment.parse(source)
        _check(tree, dialect, 0)
        code = environment.compile(_Bounded().visit(tree))
    except TemplateError as error:
        raise ValueError(f"is a template that cannot be read: {_one_line(error)}{_hint(source)}") from None
    except (SyntaxError, RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(f"is a template that cannot be read ({type(error).__name__})") from None
    return Template.from_code(environment, code, {})


def _check(node: nodes.Node, dialect: Dialect, depth: int) -> None:
    known = type(node) in dialect.nodes
    if isinstance(node, nodes.Filter):
        known = known and node.node is not None and node.name in dialect.filters
    elif isinstance(node, nodes.Test):
        known = known and node.name in _TESTS
    elif isinstance(node, nodes.For):
        known = known and not node.recursive
    elif isinstance(node, nodes.List):  # a list of lists would grow without end
        known = known and all(isinstance(item, nodes.Const) for item in node.items)
    if not known:
        what = " ".join(filter(None, (type(node).__name__, getattr(node, "name", ""))))
        raise ValueError(
            f"is a template with something that is not allowed in line {node.lineno} ({what}); allowed are "
            f"{dialect.allowed}"
        )
    if depth > _DEEPEST:
        raise ValueError("is a template with too much in one another")
    for child in node.iter_child_nodes():
        _check(child, dialect, depth + 1)


class _Bounded(NodeTransformer):
    """Has loops counted, and texts that are put together measured."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - as Jinja calls it
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "each", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "join", [], [], None, None, lineno=node.lineno)


@pass_context
def _each(context: Context, items: Iterable[object]) -> Iterable[object]:
    budget = context.resolve(_BUDGET)
    return items if isinstance(items, Undefined) else list(budget.each(items))


def _word(value: object) -> object:
    """Return what is written for a value: the items of a list with blanks between them, nothing for what is not set."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return _join(value, " ")
    if value is None:
        return ""
    if not isinstance(value, str | int | float | Undefined):
        raise ValueError(  # noqa: TRY004 - all that is wrong with a template is a ValueError
            "is a template that puts something other than a text, number or list into its output"
        )
    return value


def _join(items: Iterable[object], between: str = "") -> str:
    parts = [str(_word(item)) for item in items]
    _check_size(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _replace(text: object, old: str, new: str) -> str:
    whole = str(text)
    _check_size(len(whole) + (whole.count(old) * len(new)))
    return whole.replace(old, new)


def _check_size(size: int) -> None:
    if size > _LARGEST_TEXT:
        raise ValueError(f"is a template that makes more than {_LARGEST_TEXT} characters")


def _hint(source: str) -> str:
    """Return what to tell those who come with a template of Docker Flow Proxy's."""
    written = "; it looks like a template in Go: for {{.ServiceName}} write {{ serviceName }}, in Jinja2"
    return written if _GO.search(source) else ""


def _one_line(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    words = " ".join((error.message or type(error).__name__).split())[:120]
    return f"{words} (line {line})" if line else words
