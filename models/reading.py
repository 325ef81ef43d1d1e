"""Reading labels: flat text to a `ProxyService`, or to every problem at once, each named by its label.

What counts as a destination is DFP's rule (any of path, domain or port makes one); unlike there, a gap in
the numbering ends nothing and a value that cannot be read is reported, never dropped.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from models.facts import facts_of
from models.labels._table import Family, Row, label_key
from models.labels.custom import Custom
from models.labels.matching import Matching
from models.service import (
    DESTINATION_FAMILIES,
    SERVICE_FAMILIES,
    SPELLINGS,
    TABLE,
    UNSAID,
    Destination,
    ProxyService,
)
from models.types import reject_markup

PREFIX = "com.df."
_DEFINING = ("servicePath", "port", "serviceDomain", "httpsPort")
_FOREIGN = re.compile(r"(alert|scrape|letsencrypt\.|env\.)", re.ASCII)
"""Labels under the same prefix that belong to Docker Flow Monitor and to certificate companions."""
REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "skipCheck": "addresses come from the Swarm, so there is nothing to check",
        "serviceColor": "a new version takes over as Swarm's own rolling update goes",
        "consulTemplateFePath": "there is no Consul; see backendExtra for lines of your own",
        "consulTemplateBePath": "there is no Consul; see backendExtra for lines of your own",
        "mode": "every service is one of a Swarm",
        "notifyService": "the listener has who is told of services in DF_NOTIFY_CREATE_SERVICE_URL",
    }
)
"""Labels of DFP's earlier times that nothing is left of, each with the reason; stack files still have them."""
_INDEXED = re.compile(r"(?P<name>.+)\.(?P<index>[0-9]{1,6})", re.ASCII)
_SHOWN = 80
M = TypeVar("M", bound=Family)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one label; ``text`` names the label, its value and what is allowed."""

    label: str
    text: str
    unknown: bool = False
    restricts: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The outcome of reading one service's labels: a service, or problems, never both.

    ``deprecations`` tell, one text per label, which labels have a better spelling now; they work all the same.
    ``without_effect`` tell likewise which labels mean nothing with the ``reqMode`` that there is.
    """

    service: ProxyService | None = None
    problems: tuple[Problem, ...] = ()
    deprecations: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()

    @property
    def unknown_only(self) -> bool:
        """True when nothing but unknown labels is wrong."""
        return all(problem.unknown for problem in self.problems)

    @property
    def restricts(self) -> bool:
        """True when a label that narrows access cannot be honoured (an unknown one may have been meant as such)."""
        return any(problem.restricts for problem in self.problems)


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How labels are to be read: the list separator, the opt-in label's key, and what is allowed of raw lines.

    ``templates_dir`` is where their templates are. ``defaults`` are pairs of a label's name and the value that holds
    where a service does not give it one.
    """

    separator: str = ","
    notify_label: str = PREFIX + "notify"
    allow_raw_config: bool = True
    templates_dir: str = "/cfg/tmpl"
    defaults: tuple[tuple[str, str], ...] = ()


def name_and_index(label: str) -> tuple[str, int]:
    """Return a label's name without the prefix, and its index: 0 if it has none, or if the name has it as a part."""
    name = label.removeprefix(PREFIX)
    if name not in SPELLINGS and (match := _INDEXED.fullmatch(name)):
        return match["name"], int(match["index"])
    return name, 0


@dataclass(slots=True)
class _Reader:
    """Collects the values by table row and index, and the problems met on the way.

    ``written`` has the label that each value came from, as it was spelled; ``rows`` are those that may have a value, by
    family and name.
    """

    rules: LabelRules
    values: dict[tuple[str, int], str] = field(default_factory=dict)
    written: dict[tuple[str, int], str] = field(default_factory=dict)
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    deprecations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, _ in self.rules.defaults:
            self._note_row(TABLE[name])

    def key(self, row: Row, index: int) -> str:
        """Return the label key that a value for this row and index came from (the bare one if it was inherited)."""
        return self.written.get((row.name, index)) or self.written.get((row.name, 0)) or row.key(PREFIX)

    def own(self, row: Row, index: int) -> str | None:
        """Return the value that the service gives a destination for this row."""
        return self.values.get((row.name, index)) or self.values.get((row.name, 0)) or None

    def value(self, row: Row, index: int) -> str | None:
        """Return the value in force: the service's own, or the proxy's default."""
        return self.own(row, index) or self._default(row, index)

    def _default(self, row: Row, index: int) -> str | None:
        """Return the default for a destination, unless it is spoken for by another label or none of its mode."""
        text = dict(self.rules.defaults).get(row.name)
        if text is None or any(
            self.own(other, index) for other in TABLE.values() if other.label.deprecated == row.name
        ):
            return None
        req_mode = TABLE["reqMode"]
        means_something = row is req_mode or "tcp" in row.label.modes or self.value(req_mode, index) in {None, "http"}
        return text if means_something else None

    def read(self, label: str, value: str) -> None:
        """File one label under its row, or note why it has none."""
        name, index = name_and_index(label)
        row = SPELLINGS.get(name)
        if row is None and name in REMOVED:
            self.deprecations.append(f"{label} does nothing any more: {REMOVED[name]}; remove it")
        elif row is None:
            if not _FOREIGN.match(name):
                self.problems.append(_unknown(label, name))
        elif index and not row.label.indexed:
            self.problems.append(_wrong(row, label, value, f"has no indexed form; use {PREFIX}{name}"))
        elif label != label_key(PREFIX, name, index):
            self.problems.append(_wrong(row, label, value, "has an index that is not 1, 2, 3, ..."))
        elif row.label.restricts and not value.strip(f" {self.rules.separator}"):
            self.problems.append(_wrong(row, label, value, "says nothing; remove the label or give it a value"))
        else:
            self._file(row, name, index, value)

    def _file(self, row: Row, name: str, index: int, value: str) -> None:
        """File a value under its row; if it has been given by today's name too, that one counts."""
        better = row.name if name != row.name else row.label.deprecated
        if better:
            self.deprecations.append(
                f"{label_key(PREFIX, name, index)} is deprecated; write {label_key(PREFIX, better, index)} instead"
            )
        if name == row.name or (row.name, index) not in self.values:
            self.values[row.name, index] = value
            self.written[row.name, index] = label_key(PREFIX, name, index)
            self._note_row(row)

    def _note_row(self, row: Row) -> None:
        self.rows.setdefault(row.family, {})[row.name] = row

    def indices(self) -> list[int]:
        """Return the destinations declared: the indexed ones if there are any, else the bare one."""
        indexed = sorted({index for name, index in self.values if index and name in _DEFINING})
        return indexed or [0]

    def note_orphans(self, indices: Iterable[int]) -> None:
        declared = set(indices) | {0}
        for name, index in self.values:
            if index not in declared:
                wanted = " or ".join(f"{PREFIX}{defining}.{index}" for defining in _DEFINING)
                row = TABLE[name]
                self.problems.append(
                    _wrong(
                        row,
                        self.written[name, index],
                        self.values[name, index],
                        f"belongs to no destination; add {wanted}",
                    )
                )

    def model(
        self,
        family: str,
        model: type[M],
        index: int,
        *,
        mode: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> M | None:
        """Validate one family for one destination; None if it has problems.

        ``mode`` and ``facts`` are what the validators of this family need to know besides the rules.
        """
        rows = self.rows.get(family, {})
        given = {name: value for name, row in rows.items() if (value := self.value(row, index)) is not None}
        unsaid: M = UNSAID[model]
        try:
            if facts is not None:  # which are about one destination only
                return _validated(model, given, self.rules, mode, facts)
            return _shared(model, tuple(given.items()), self.rules, mode) if given else unsaid
        except ValidationError as error:
            for item in error.errors(include_url=False, include_context=False):
                row = rows[str(item["loc"][0])]
                self._note(_wrong(row, self.key(row, index), given[row.name], _complaint(item["type"], item["msg"])))
            return None

    def _note(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def judge_bare_values(self) -> None:
        """Note what is wrong with values that every destination replaces by its own: they are not dropped either."""
        for family, model in DESTINATION_FAMILIES.items():
            self.model(family, model, 0)

    def require(self, destination: Destination) -> None:
        """Note what a destination lacks, and what it cannot be with its ``reqMode``."""
        matching, target, index = destination.matching, destination.target, destination.index
        if target.port is None and (target.https_port is None or matching.req_mode != "http"):
            self._missing("port", index, "set it to the port inside the service, for example 8080")
        if matching.req_mode == "tcp" and matching.src_port is None:
            self._missing(
                "srcPort", index, "set it to the port that the proxy listens on for reqMode=tcp, for example 6379"
            )
        own_routes = destination.custom.template_fe_path
        nowhere = not (matching.service_path or matching.service_domain or matching.is_default_backend or own_routes)
        if matching.req_mode == "http" and nowhere:
            self._missing("servicePath", index, f"set it, for example to /demo, or set {PREFIX}serviceDomain")

        redirected = destination.redirects.redirect_from_domain
        if redirected and (not matching.service_domain or matching.service_domain[0].startswith("*")):
            self._missing("serviceDomain", index, "set it to the domain, without '*', that redirectFromDomain leads to")
        if matching.req_mode != "http":
            self._note_useless_restrictions(matching.req_mode, index)
        if matching.req_mode == "sni":
            self._note_what_needs_own_tls(destination)
        self._note_wrong_comparison(matching, index)

    def _note_useless_restrictions(self, mode: str, index: int) -> None:
        """Note the labels that narrow access to requests, where there are only connections."""
        for row in TABLE.values():
            if row.label.restricts and mode not in row.label.modes and self.own(row, index):
                label = self.key(row, index)
                text = f"{label} cannot be honoured with reqMode={mode}: it is about HTTP requests"
                self._note(Problem(label=label, text=text, restricts=True))

    def without_effect(self, destinations: Sequence[Destination]) -> Iterator[str]:
        """Tell of the labels that mean nothing with the ``reqMode`` of any destination that takes its value from them.

        Whether one is an own label of a destination or a bare one that several take, it need have an effect once only.
        """
        all_modes = {each.matching.req_mode for each in destinations}
        suspects = (item for item in self.written.items() if not all_modes.issubset(TABLE[item[0][0]].label.modes))
        for (name, index), label in sorted(suspects):
            row = TABLE[name]
            taking = [each for each in destinations if self._source(row, each.index) == index]
            modes = dict.fromkeys(each.matching.req_mode for each in taking)
            if (
                self.values[name, index]
                and row.family in DESTINATION_FAMILIES
                and modes
                and not modes.keys() & set(row.label.modes)
            ):
                yield f"{label} has no effect with {PREFIX}reqMode={' or '.join(modes)}"

    def _source(self, row: Row, index: int) -> int:
        """Return the index of the label that a destination takes a value from."""
        return index if self.values.get((row.name, index)) else 0

    def _note_what_needs_own_tls(self, destination: Destination) -> None:
        """Note the labels about what the proxy cannot see or do where TLS goes through it as it is."""
        for row in TABLE.values():
            if row.label.not_with_sni and _is_asked_for(row, destination):
                label = self.key(row, destination.index)
                text = f"{label} cannot be honoured with reqMode=sni: {row.label.not_with_sni}"
                self._note(Problem(label=label, text=text, restricts=row.label.restricts))

    def _note_wrong_comparison(self, matching: Matching, index: int) -> None:
        """Note a `pathType` about names where there are paths, or about paths where there are names."""
        if matching.req_mode == "http" and matching.name_method is None:  # as nearly always
            return
        kind = TABLE["pathType"]
        given, label = self.value(kind, index), self.key(kind, index)
        if matching.req_mode == "http":
            complaint = "compares names of TLS connections, for which reqMode has to be sni"
            self._note(_wrong(kind, label, matching.path_type, complaint))
        elif matching.req_mode == "sni" and matching.name_method is None and given is not None:
            complaint = "compares paths, of which there are none with reqMode=sni"
            self._note(_wrong(kind, label, given, complaint))
        elif matching.req_mode == "sni" and matching.name_method is None and matching.service_path:
            path = TABLE["servicePath"]
            shown = ",".join(matching.service_path)
            complaint = f"needs, with reqMode=sni, a {PREFIX}pathType such as req.ssl_sni; or use {PREFIX}serviceDomain"
            self._note(_wrong(path, self.key(path, index), shown, complaint))

    def _missing(self, name: str, index: int, wanted: str) -> None:
        label = TABLE[name].key(PREFIX, index)
        self._note(Problem(label=label, text=f"{label} is missing: {wanted}"))


@lru_cache(maxsize=1024)
def _shared(model: type[M], given: tuple[tuple[str, str], ...], rules: LabelRules, mode: str | None) -> M:
    """Validate a family, or take the one that another service with the same labels has: most have few of their own."""
    return _validated(model, dict(given), rules, mode, None)


def _validated(
    model: type[M],
    given: Mapping[str, str],
    rules: LabelRules,
    mode: str | None,
    facts: Mapping[str, object] | None,
) -> M:
    context = {
        "separator": rules.separator,
        "allow_raw_config": rules.allow_raw_config,
        "templates_dir": rules.templates_dir,
        "mode": mode,
        "facts": facts,
    }
    return model.model_validate(given, context=context)


def read_labels(name: str, labels: Mapping[str, str], rules: LabelRules, *, stack: str = "") -> Reading:
    """Read the labels of the service ``name``, which may belong to a stack.

    All problems are reported, not just the first. Labels without our prefix are none of our business.
    """
    reader = _Reader(rules)
    for label in sorted(labels):
        if label.startswith(PREFIX) and label != rules.notify_label:
            reader.read(label, labels[label])
    indices = reader.indices()
    reader.note_orphans(indices)
    identity = {
        family: reader.model(family, model, 0) for family, model in SERVICE_FAMILIES.items() if family in reader.rows
    }
    made = None if None in identity.values() else partial(ProxyService, name=name, stack=stack, **identity)
    destinations = [_destination(reader, index, made) for index in indices]
    if 0 not in indices:
        reader.judge_bare_values()
    deprecations = tuple(reader.deprecations)
    if reader.problems or made is None:
        return Reading(problems=tuple(reader.problems), deprecations=deprecations)
    service = made(destinations=tuple(filter(None, destinations)))
    useless = tuple(reader.without_effect(service.destinations))
    return Reading(service=service, deprecations=deprecations, without_effect=useless)


def plain_destination(req_mode: str, rules: LabelRules) -> Destination:
    """Return a destination about which nothing is said but what must be."""
    labels = {"reqMode": req_mode, "servicePath": "/", "port": "1", "srcPort": "1"}
    service = read_labels("plain", {PREFIX + name: value for name, value in labels.items()}, rules).service
    return service.destinations[0] if service else Destination()


def _destination(reader: _Reader, index: int, made: Callable[..., ProxyService] | None) -> Destination | None:
    """Read one destination; ``made`` makes its service of destinations, if what is said of itself can be read."""
    said = {family: reader.model(family, model, index) for family, model in _BUT_CUSTOM if family in reader.rows}
    mode = "http" if (reader.value(TABLE["reqMode"], index) or "http") == "http" else "tcp"
    if None in said.values() or made is None:
        reader.model("custom", Custom, index, mode=mode)
        return None
    destination = _with_default_path(Destination(index=index, **said))
    facts = facts_of(made(destinations=()), destination) if reader.value(TABLE["backendExtra"], index) else None
    custom = reader.model("custom", Custom, index, mode=mode, facts=facts)
    if custom is None:
        return None
    if custom is not destination.custom:
        destination = destination.model_copy(update={"custom": custom})
    reader.require(destination)
    return destination


_BUT_CUSTOM = tuple((family, model) for family, model in DESTINATION_FAMILIES.items() if model is not Custom)


def _with_default_path(destination: Destination) -> Destination:
    matching = destination.matching
    if matching.req_mode != "http" or matching.service_path or not matching.service_domain:
        return destination
    return destination.model_copy(update={"matching": matching.model_copy(update={"service_path": ("/",)})})


def _is_asked_for(row: Row, destination: Destination) -> bool:
    """Return whether a destination has another value than it would have without the label."""
    value = getattr(getattr(destination, row.family), row.field)
    return bool(value != getattr(getattr(Destination(), row.family), row.field))


def _unknown(label: str, name: str) -> Problem:
    near = difflib.get_close_matches(name.lower(), {known.lower(): known for known in TABLE}, n=1, cutoff=0.6)
    known = {known.lower(): known for known in TABLE}
    hint = f"; did you mean {PREFIX}{known[near[0]]}?" if near else ""
    return Problem(
        label=_shown(label),
        text=f"{_shown(label)} is not a label of Swarmgate{hint} (list them with: swarmgate labels)",
        unknown=True,
        restricts=bool(near) and TABLE[known[near[0]]].label.restricts,
    )


def _wrong(row: Row, label: str, value: str, complaint: str) -> Problem:
    shown = repr(_shown(value)) if row.label.is_shown else "(hidden)"
    return Problem(
        label=label, text=f"{label}={shown} {complaint}; allowed: {row.allowed}", restricts=row.label.restricts
    )


def _complaint(kind: str, message: str) -> str:
    own = message.removeprefix("Value error, ")
    if kind == "value_error":
        return own
    return "is too long" if kind.endswith("too_long") else "is not allowed"


def _shown(text: str) -> str:
    """Return a text fit for one line of a log."""
    try:
        clean = reject_markup(text)
    except ValueError:
        clean = text.encode("unicode_escape").decode()
    return clean if len(clean) <= _SHOWN else clean[: _SHOWN - 1] + "…"
