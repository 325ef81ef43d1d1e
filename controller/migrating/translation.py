"""`Translation`: what became of one service's labels, and the `Draft` that a dialect fills in to get there. Pure.

Each label has an `Outcome`, also one that the dialect says nothing about: nothing is dropped silently. A route that
somebody would be let in to who was kept out before is not written at all.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from models.labels.headers import Headers, HeaderValue
from models.labels.rewriting import PathRewrite, Rewriting
from models.reading import PREFIX, LabelRules, read_labels
from models.service import TABLE

_INDEXED = frozenset(name for name, row in TABLE.items() if row.label.indexed)
_DIVIDERS = {
    **dict.fromkeys((f"{verb}{part}Header" for verb in ("add", "set", "del") for part in ("Req", "Res")), ","),
    "reqPathSearchReplace": ":",
    "backendExtra": "\n",
}
"""What stands between the values of labels that take several."""
_CLAIMING = ("reqMode", "srcPort", "serviceDomain", "pathType", "servicePath", "servicePathExclude", "serviceHeader")
"""Labels that say what a destination claims."""


class Fate(StrEnum):
    """What became of a label."""

    TRANSLATED = "translated"
    NEEDLESS = "needless"
    """Swarmgate does so without a label, or it is the proxy's business; the text or a note tells what to see to."""
    UNTRANSLATED = "untranslated"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one label; ``text`` names our labels, or the reason and what to do instead."""

    label: str
    fate: Fate
    text: str


@dataclass(frozen=True, slots=True)
class Translation:
    """Our labels by their full names, an outcome for each label that was there, and what to know of the whole.

    ``borrowed`` are the outcomes for labels of other services that this one refers to.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()
    borrowed: tuple[Outcome, ...] = ()

    def refused(self, reason: str) -> "Translation":
        """Return it with nothing translated, for one reason."""
        return Translation(outcomes=_refused(self.outcomes, reason), borrowed=_refused(self.borrowed, reason))

    def and_also(self, other: "Translation") -> "Translation":
        """Return it with what another proxy's labels of the same service have come to."""
        return Translation(
            {**self.labels, **other.labels},
            (*self.outcomes, *other.outcomes),
            (*self.notes, *other.notes),
            (*self.borrowed, *other.borrowed),
        )


def _refused(outcomes: Iterable[Outcome], reason: str) -> tuple[Outcome, ...]:
    return tuple(
        each if each.fate is Fate.UNTRANSLATED else Outcome(each.label, Fate.UNTRANSLATED, reason) for each in outcomes
    )


def kept_for_borrowers(translations: Mapping[str, Translation]) -> dict[str, Translation]:
    """Return translations that call no label translated that another service still needs as it is."""
    needed = {
        outcome.label: Outcome(outcome.label, outcome.fate, f"the service {service} still needs it: {outcome.text}")
        for service, each in translations.items()
        for outcome in each.borrowed
        if outcome.fate is Fate.UNTRANSLATED
    }
    return {
        service: replace(
            each,
            outcomes=tuple(
                outcome if outcome.fate is Fate.UNTRANSLATED else needed.get(outcome.label, outcome)
                for outcome in each.outcomes
            ),
        )
        for service, each in translations.items()
    }


Services = Mapping[str, Mapping[str, str]]
"""The labels of each service of a file."""
Dialect = Callable[[Services], Mapping[str, Translation]]
"""Translates all services of a file at once, for what one declares may be used by another."""


class UntranslatableError(ValueError):
    """What a label says cannot be said to Swarmgate; the text tells why, and what to do instead."""


@dataclass(slots=True)
class Route:
    """A destination to be: labels by their names without prefix and index, each with the labels it came from.

    ``parts`` are the labels that say nothing any more if there is no such route.
    """

    labels: dict[str, str] = field(default_factory=dict)
    origins: dict[str, set[str]] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)

    def put(self, name: str, value: str, *origins: str) -> None:
        """Set a label.

        Raises:
            UntranslatableError: the route has it already, with another value that it cannot be joined with.
        """
        known = self.labels.get(name)
        if known is not None and known != value:
            if name not in _DIVIDERS:
                raise UntranslatableError(f"{PREFIX}{name} is needed for something else already")
            value = known + _DIVIDERS[name] + value
        self.labels[name] = value
        self.origins.setdefault(name, set()).update(origins)

    @property
    def claim(self) -> tuple[str, ...]:
        """What it claims; two routes of a service cannot claim the same."""
        return tuple(self.labels.get(name, "") for name in _CLAIMING)

    @property
    def all_origins(self) -> set[str]:
        """All labels that something of it came from."""
        return set[str]().union(*self.origins.values())

    @property
    def lost_with_it(self) -> set[str]:
        """The labels that cannot be said to be translated without it, even if other routes came from them, too."""
        return self.parts.union(*(self.origins.get(name, ()) for name in _CLAIMING))


@dataclass(slots=True)
class Draft:
    """The translation of one service in the making."""

    service: str
    given: Mapping[str, str]
    notify: str = "true"
    routes: list[Route] = field(default_factory=list)
    wide: Route = field(default_factory=Route)
    told: dict[str, Outcome] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def needless(self, label: str, reason: str) -> None:
        """Say that a label needs no equivalent."""
        self.told.setdefault(label, Outcome(label, Fate.NEEDLESS, reason))

    def untranslated(self, label: str, reason: str) -> None:
        """Say that a label has no equivalent; the first reason counts."""
        known = self.told.get(label)
        if known is None or known.fate is not Fate.UNTRANSLATED:
            self.told[label] = Outcome(label, Fate.UNTRANSLATED, reason)

    def note(self, text: str) -> None:
        """Say something about the whole."""
        if text not in self.notes:
            self.notes.append(text)

    def settle(self) -> None:
        """Decide which routes there are, and what became of each label."""
        self._keep_valid_routes()
        _ask_nobody_where_nobody_was_asked(self.routes)
        translated: dict[str, list[str]] = {}
        for ours, sources in self._numbered()[1].items():
            for label in sorted(sources):
                translated.setdefault(label, []).append(ours)
        for label, ours_of in translated.items():
            if label not in self.told or self.told[label].fate is Fate.NEEDLESS:
                self.told[label] = Outcome(label, Fate.TRANSLATED, ", ".join(ours_of))

    def translation(self) -> Translation:
        """Return what came of it, once it is settled."""
        labels, _ = self._numbered()
        for label in self.given:
            if label not in self.told:
                self.untranslated(label, "it is part of no route that is translated")
        borrowed = tuple(outcome for label, outcome in self.told.items() if label not in self.given)
        return Translation(labels, tuple(self.told[label] for label in self.given), tuple(self.notes), borrowed)

    def _keep_valid_routes(self) -> None:
        """Leave out each route that a proxy would refuse, with what it would say; of equal ones keep one."""
        kept, left = list[Route](), list[tuple[Route, str]]()
        for route in self.routes:
            twin = next((other for other in kept if other.labels == route.labels), None)
            reason = self._objection(route) or _same_claim(route, kept) or _another_whole(route, kept)
            if twin:
                for name, origins in route.origins.items():
                    twin.origins[name] |= origins
                twin.parts |= route.parts
            elif reason:
                left.append((route, reason))
            else:
                kept.append(route)
        self.routes = kept
        still_there = set[str]().union(*(route.all_origins for route in kept))
        for route, reason in left:
            for label in route.lost_with_it | (route.all_origins - still_there):
                self.untranslated(label, reason)

    def _objection(self, route: Route) -> str:
        labels = {f"{PREFIX}{name}": stand_in(value) for name, value in (self.wide.labels | route.labels).items()}
        problems = read_labels(self.service, labels, LabelRules()).problems
        return "; ".join(problem.text for problem in problems)

    def _numbered(self) -> tuple[dict[str, str], dict[str, set[str]]]:
        """Return our labels, and where each came from: numbered if there are several routes."""
        labels, origins = dict[str, str](), dict[str, set[str]]()
        if not self.routes:
            return labels, origins
        labels[f"{PREFIX}notify"] = self.notify
        origins[f"{PREFIX}notify"] = self.wide.origins.get("notify", set())
        for number, route in enumerate([self.wide, *self.routes]):
            for name, value in route.labels.items():
                bare = name not in _INDEXED or number == 0 or len(self.routes) == 1
                full = f"{PREFIX}{name}" if bare else f"{PREFIX}{name}.{number}"
                labels[full] = value
                origins.setdefault(full, set()).update(route.origins.get(name, ()))
        return labels, origins


def settled(drafts: Iterable[Draft]) -> dict[str, Translation]:
    """Settle drafts that have nothing to do with each other, and return what came of those that had labels."""
    filled = [draft for draft in drafts if draft.given]
    for draft in filled:
        draft.settle()
    return {draft.service: draft.translation() for draft in filled}


def _same_claim(route: Route, others: Iterable[Route]) -> str:
    if any(other.claim == route.claim for other in others):
        return "another route of the service claims the same requests, with other options; decide which of them it is"
    return ""


def _another_whole(route: Route, others: Sequence[Route]) -> str:
    """Tell which label makes it impossible to have these routes side by side: there is one for the whole service."""
    for other in others:
        for name in sorted((route.labels.keys() | other.labels.keys()) - _INDEXED):
            mine, theirs = route.labels.get(name), other.labels.get(name)
            may_be_asked_by_some = name in {"users", "usersPassEncrypted"} and (mine is None or theirs is None)
            if mine != theirs and not may_be_asked_by_some:
                return (
                    f"{PREFIX}{name} is one for all routes of a service, and here they differ; "
                    "deploy the image as two services, or give all routes the same"
                )
    return ""


def _ask_nobody_where_nobody_was_asked(routes: Sequence[Route]) -> None:
    """Users are those of the whole service; a route without any says so."""
    if any("users" in route.labels for route in routes):
        for route in routes:
            if "users" not in route.labels:
                route.labels["ignoreAuthorization"] = "true"


_STAND_IN = re.compile(r"zvar[0-9]+z")


def stand_in(text: str) -> str:
    """Return a text with a number, which fits nearly everywhere, in place of each variable (see `hidden`)."""
    return _STAND_IN.sub(lambda match: str(int(match[0][4:-1]) + 1), text)


def hidden(text: str, variables: list[str]) -> str:
    """Return a label's value with each variable replaced by a word, which is a sign like any other to a dialect.

    ``variables`` collects them. ``$$`` becomes ``$``. Source: the compose specification, "Interpolation".
    """

    def word(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        variables.append(match[0])
        return f"zvar{len(variables) - 1}z"

    return re.sub(r"\$\$|\$[A-Za-z_]\w*|\$\{[A-Za-z_][^}]*\}", word, text)


def shown(text: str, variables: Sequence[str]) -> str:
    """Return a value as a stack file has it: the inverse of `hidden`."""
    return _STAND_IN.sub(lambda match: variables[int(match[0][4:-1])], text.replace("$", "$$"))


def rewrite(search: str, replacement: str, flags: str = "") -> str:
    """Return the value of ``reqPathSearchReplace`` for one substitution.

    Raises:
        UntranslatableError: it cannot be written so that it is read as it is meant.
    """
    parts = [re.sub(r"([,:])", r"\\\1", part) for part in (search, replacement)] + ([flags] if flags else [])
    text = ",".join(parts)
    try:
        read = Rewriting.model_validate({"reqPathSearchReplace": text}).rewrites
    except ValueError:
        read = ()
    if read != (PathRewrite(search, replacement, flags),):
        raise UntranslatableError(f"the expression cannot be written as {PREFIX}reqPathSearchReplace; do so by hand")
    return text


def header(name: str, value: str, condition: str = "") -> str:
    """Return an item of the labels about headers.

    Raises:
        UntranslatableError: it cannot be written so that it is read as it is meant.
    """
    text = f"{name} {value}{' ' * bool(condition)}{condition}"
    try:
        read = Headers.model_validate({"setReqHeader": text}).set_req_header
    except ValueError:
        read = ()
    if read != (HeaderValue(name, (value,), condition),):
        raise UntranslatableError(
            "the value cannot be part of a list of headers (a ',' divides lists, quotes around it are dropped); "
            f"set it with {PREFIX}backendExtra"
        )
    return text


def listed(values: Iterable[str]) -> str:
    """Return a list as labels have it.

    Raises:
        UntranslatableError: an item has the sign in it that divides lists.
    """
    values = list(dict.fromkeys(values))
    if any("," in value for value in values):
        raise UntranslatableError("a ',' divides lists, so it cannot be part of a value")
    return ",".join(values)
