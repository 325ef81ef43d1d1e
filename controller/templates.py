"""Templates in files of the operator: from their texts to the lines and routes of one service. Pure.

A file that is of no use costs its service only, and not even that while it is known what the file said before. Without
that, a service whose backend template is missing answers 503: the template may have been there to keep somebody out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

from models import conditions
from models.conditions import Condition
from models.facts import facts_of
from models.proxy import TemplateTexts
from models.raw.frontend_lines import OwnRoutes, own_routes
from models.raw.profile_lines import profile_lines
from models.raw.templates import FILE, rendered
from models.reading import PREFIX
from models.service import Destination, ProxyService

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A file in the folder of templates: its text, or what is wrong with it, beginning with a verb."""

    text: str | None = field(default=None, repr=False)
    problem: str = ""


_MISSING = TemplateFile(problem="is not there")


@dataclass(frozen=True, slots=True)
class Filled:
    """What the templates of a service make: routes, and lines by the index of the destination.

    ``texts`` are those that it was made from; None if the service has no templates. ``closed``: nothing is known of
    what its backends should have, so they answer 503.
    """

    routes: OwnRoutes | None = None
    lines: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    closed: bool = False
    texts: TemplateTexts | None = None
    conditions: tuple[Condition, ...] = ()


_NOTHING = Filled()
NO_FILES: tuple[TemplateFile | None, ...] = (None, None)
"""What a service without templates names."""


def fill(form: ProxyService, files: Mapping[str, TemplateFile], last: TemplateTexts | None) -> Filled:
    """Fill in the templates that a service names.

    Args:
        form: the service.
        files: what is in the folder of templates now, by path.
        last: the texts that were in force until now, to go back to.
    """
    custom, last = form.destinations[0].custom, last or TemplateTexts()
    if custom.template_fe_path is None and custom.template_be_path is None:
        return _NOTHING
    front: _Half[OwnRoutes] = _Half()
    back: _Half[Mapping[int, tuple[str, ...]]] = _Half()
    if custom.template_fe_path is not None:
        file = files.get(custom.template_fe_path, _MISSING)
        front = _half(form, file, last.frontend, _routes)
    if custom.template_be_path is not None:
        file = files.get(custom.template_be_path, _MISSING)
        back = _half(form, file, last.backend, _lines)
    texts = TemplateTexts(front.text, back.text)
    return Filled(
        routes=front.result,
        lines=back.result or {},
        closed=custom.template_be_path is not None and back.result is None,
        texts=last if texts == last else texts,
        conditions=(
            *_facts("templateFePath", custom.template_fe_path, front, "nothing is routed until it is repaired"),
            *_facts("templateBePath", custom.template_be_path, back, "the routes answer 503 until it is repaired"),
        ),
    )


def refill(form: ProxyService, last: TemplateTexts | None, files: Mapping[str, TemplateFile]) -> Filled:
    """Fill in the texts of templates that were in force until now, whatever the files say; else what the files say."""
    custom, last = form.destinations[0].custom, last or TemplateTexts()
    texts = {custom.template_fe_path: last.frontend, custom.template_be_path: last.backend}
    kept = {name: TemplateFile(text) for name, text in texts.items() if name is not None and text is not None}
    return fill(form, {**files, **kept}, last)


def named_in(form: ProxyService, files: Mapping[str, TemplateFile]) -> tuple[TemplateFile | None, ...]:
    """Return the files that a service names as its templates, as they are there."""
    custom = form.destinations[0].custom
    names = (custom.template_fe_path, custom.template_be_path)
    return tuple(None if name is None else files.get(name, _MISSING) for name in names)


@dataclass(frozen=True, slots=True)
class _Half(Generic[T]):
    """What one template makes of which text, and what is wrong with the file."""

    result: T | None = None
    text: str | None = field(default=None, repr=False)
    problem: str = ""


def _half(form: ProxyService, file: TemplateFile, last: str | None, make: Callable[[ProxyService, str], T]) -> _Half[T]:
    """Make something of a file; if that cannot be, of what was in force before."""
    try:
        if file.text is not None:
            return _Half(make(form, file.text), file.text)
        problem = file.problem
    except ValueError as error:
        problem = str(error)
    try:
        return _Half(None if last is None else make(form, last), last, problem)
    except ValueError:
        return _Half(None, last, problem)


def _facts(label: str, file: str | None, half: _Half[T], otherwise: str) -> Iterator[Condition]:
    if file is not None and half.problem:
        outcome = otherwise if half.result is None else "what it said before stays in force"
        yield conditions.template_not_usable(label=PREFIX + label, file=file, problem=half.problem, outcome=outcome)


@lru_cache(maxsize=4096)
def _routes(form: ProxyService, text: str) -> OwnRoutes:
    """Return the routes that a template makes.

    Raises:
        ValueError: it cannot be filled in, or makes something that is not allowed.
    """
    filled = rendered(text, _told(form, form.destinations[0]), FILE)
    ways = (way for each in form.destinations if each.matching.req_mode == "http" for way in form.ways(each))
    return own_routes(
        filled, service=form.name, acl_name=form.acl_name, backends=frozenset(way.backend for way in ways)
    )


@lru_cache(maxsize=4096)
def _lines(form: ProxyService, text: str) -> Mapping[int, tuple[str, ...]]:
    """Return the lines that a template makes, by the index of the destination.

    Raises:
        ValueError: likewise.
    """
    return {
        each.index: profile_lines(
            rendered(text, _told(form, each), FILE),
            "http" if each.matching.req_mode == "http" else "tcp",
            defined=each.custom.backend_extra,
        )
        for each in form.destinations
    }


def _told(form: ProxyService, destination: Destination) -> dict[str, object]:
    everything = [facts_of(form, each) for each in form.destinations]
    return {**facts_of(form, destination), "destinations": everything}
