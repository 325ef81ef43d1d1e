"""Lists of thousands, of which one page is shown: what is searched and filtered is looked at, the rest is not built."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Generic, TypeVar

from controller.status import Footprint, StatusStore
from models.conditions import Condition, Reason

T = TypeVar("T")

PAGE = 50
"""Rows of one page."""
_MOST_CHARACTERS = 200
"""Of what is searched for."""


class State(StrEnum):
    """What is to be said of a service in one word."""

    WRONG = "wrong"
    """One of its conditions is false."""
    UNDECIDED = "undecided"
    """It has not been judged yet."""
    OFF = "off"
    """It asks not to be published."""
    GOOD = "good"
    """All is as its labels say."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see: a text that is searched for, one state or all, the number of the page."""

    text: str = ""
    state: State | None = None
    page: int = 1

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "Wish":
        """Read the parameters of a page; what makes no sense is left out, for it comes from an address bar."""
        state, page = parameters.get("state", ""), parameters.get("page", "")
        return cls(
            text=parameters.get("q", "")[:_MOST_CHARACTERS].strip(),
            state=State(state) if state in {*State} else None,
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < len("1234567") else 1,
        )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of many rows: ``first`` is the number of the first one shown, beginning with 1, of ``total``."""

    rows: tuple[T, ...]
    number: int
    pages: int
    first: int
    total: int


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service in brief: what is wrong with it or, if nothing is, what to know all the same."""

    name: str
    state: State
    reason: str
    remark: str
    since: datetime | None
    routes: tuple[str, ...]
    servers: int


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route, and who answers it."""

    route: str
    service: str
    state: State


def page_of(rows: Sequence[T], number: int) -> Page[T]:
    """Return one page of rows; the last one, if there are not so many."""
    pages = max(1, -(-len(rows) // PAGE))
    number = min(number, pages)
    first = (number - 1) * PAGE
    return Page(tuple(rows[first : first + PAGE]), number, pages, min(first + 1, len(rows)), len(rows))


def state_of(conditions: Iterable[Condition]) -> State:
    """Return what is to be said of a service."""
    state = State.GOOD
    for condition in conditions:
        if condition.status == "True":
            continue
        if condition.status == "Unknown":
            state = State.UNDECIDED if state is State.GOOD else state
        elif condition.reason is Reason.SWITCHED_OFF:
            state = State.OFF
        else:
            return State.WRONG
    return state


def telling(conditions: Sequence[Condition]) -> Condition:
    """Return the condition to be shown where there is room for one: false before undecided, or else the last."""
    wanted = (fact for status in ("False", "Unknown") for fact in conditions if fact.status == status)
    return next(wanted, conditions[-1])


def states_of(conditions: Mapping[str, Sequence[Condition]]) -> Mapping[str, State]:
    """Return the states of all services."""
    return {name: state_of(facts) for name, facts in conditions.items()}


def services(status: StatusStore, states: Mapping[str, State], wish: Wish) -> tuple[Page[ServiceRow], Counter[State]]:
    """Return a page of the services that are wanted, and how many there are of each state that match the text."""
    matching = {name: states[name] for name in _matching(status, wish.text)}
    page = page_of([name for name, state in matching.items() if wish.state in {None, state}], wish.page)
    rows = tuple(service_row(status, name) for name in page.rows)
    return Page(rows, page.number, page.pages, page.first, page.total), Counter(matching.values())


def wrong_services(status: StatusStore, states: Mapping[str, State], most: int) -> tuple[ServiceRow, ...]:
    """Return the first of the services that something is wrong with."""
    wrong = (name for name, state in states.items() if state is State.WRONG)
    return tuple(service_row(status, name) for name in islice(wrong, most))


def service_row(status: StatusStore, name: str) -> ServiceRow:
    """Return a service in brief."""
    facts, footprint = status.conditions[name], status.footprints.get(name, Footprint())
    fact, backends = telling(facts), status.desired.backends_by_name
    notices = [notice.message for notice in status.notices.get(name, ())]
    return ServiceRow(
        name,
        state_of(facts),
        fact.reason.value,
        fact.message or next(iter(notices), ""),
        fact.last_transition,
        footprint.routes,
        sum(len(backends[backend].servers) for backend in footprint.backends if backend in backends),
    )


def routes(status: StatusStore, wish: Wish) -> Page[RouteRow]:
    """Return a page of the routes that are wanted, in the order of their words."""
    text = wish.text.lower()
    found = [
        (route, name)
        for name, footprint in status.footprints.items()
        for route in footprint.routes
        if text in route.lower() or text in name.lower()
    ]
    page = page_of(sorted(found), wish.page)
    rows = tuple(RouteRow(route, name, state_of(status.conditions.get(name, ()))) for route, name in page.rows)
    return Page(rows, page.number, page.pages, page.first, page.total)


def count_routes(footprints: Mapping[str, Footprint]) -> int:
    """Return how many routes there are."""
    return sum(len(footprint.routes) for footprint in footprints.values())


def _matching(status: StatusStore, text: str) -> Iterator[str]:
    """Return the services whose name or one of whose routes or conditions has a text in it, whatever its case."""
    text = text.lower()
    if not text:
        yield from status.conditions
        return
    for name, facts in status.conditions.items():
        routes = status.footprints.get(name, Footprint()).routes
        words = (name, *routes, *(fact.reason.value for fact in facts))
        if any(text in word.lower() for word in words):
            yield name
