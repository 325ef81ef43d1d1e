"""Services that no label of a Swarm service declares: those in variables, and those put through the API.

A declared service is a `SwarmService` like any other. Its requests go to the host ``com.df.outboundHostname``, or else
to the name of the service. Source: DFP, "Configuring services through environment variables" and ``reconfigure``.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from models.labels._table import Row
from models.reading import PREFIX, REMOVED, Problem
from models.service import TABLE
from models.snapshot import EPOCH, Snapshot, SwarmService

VARIABLE_PREFIX = "DFP_SERVICE_"
_VARIABLE = re.compile(rf"{VARIABLE_PREFIX}(?:(?P<number>[1-9][0-9]{{0,5}})_)?(?P<name>.+)", re.ASCII)
_INDEXED = re.compile(r"(?P<name>.+)_(?P<index>[1-9][0-9]{0,5})", re.ASCII)
_NAMES = frozenset({"NAME", "SERVICE_NAME"})
_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)


def is_service_name(name: str) -> bool:
    """Return whether a service can be called so: its name becomes part of HAProxy's names, and a host name."""
    return _SERVICE_NAME.fullmatch(name) is not None


def variable_name(label: str) -> str:
    """Return the end of the variable for a label: ``servicePath`` becomes ``SERVICE_PATH``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", label).upper()


ROWS: dict[str, Row] = {variable_name(name): row for name, row in TABLE.items()}
"""Every row of the label table by the end of its variable."""
_REMOVED = {variable_name(name): name for name in REMOVED}


def declared_service(
    name: str, labels: Mapping[str, str], *, id_: str, version: int = 0, created_at: datetime = EPOCH
) -> SwarmService:
    """Return the service ``name`` with these labels (with prefix), which lives outside of Swarm's own list."""
    return SwarmService(
        id=id_,
        name=name,
        version=version,
        created_at=created_at,
        labels=dict(sorted(labels.items())),
        host=labels.get(f"{PREFIX}outboundHostname") or name,
    )


@dataclass(frozen=True, slots=True)
class Declared:
    """The services found in variables, and what is wrong with the others."""

    services: tuple[SwarmService, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Draft:
    """What the variables of one number say."""

    names: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_variables(environment: Mapping[str, str]) -> Declared:
    """Read the services that ``DFP_SERVICE_*`` (one) and ``DFP_SERVICE_<n>_*`` (any number) declare.

    ``DFP_SERVICE_1_PORT_2`` is the label ``com.df.port.2`` of service 1; gaps end nothing. A service with a variable
    that nobody understands is not declared, for that variable may have been meant to protect it.
    """
    drafts: dict[int, _Draft] = {}
    for variable in sorted(environment):
        match = _VARIABLE.fullmatch(variable)
        if match and environment[variable]:
            draft = drafts.setdefault(int(match["number"] or 0), _Draft())
            _read_variable(draft, variable, match["name"], environment[variable])
    services: dict[str, SwarmService] = {}
    problems: list[Problem] = []
    for number in sorted(drafts):
        problems += _settle(drafts[number], number, services)
    return Declared(tuple(services[name] for name in sorted(services)), tuple(problems))


def _read_variable(draft: _Draft, variable: str, name: str, value: str) -> None:
    if name in _NAMES:
        draft.names[variable] = value
        return
    row, index = _row(name)
    if row is None and name in _REMOVED:
        draft.labels[PREFIX + _REMOVED[name]] = value
    elif row is None:
        draft.problems.append(_unknown(variable, name))
    elif index and not row.label.indexed:
        wanted = variable.removesuffix(f"_{index}")
        draft.problems.append(Problem(variable, f"{variable} has no indexed form; use {wanted}"))
    else:
        draft.labels[row.key(PREFIX, index)] = value


def _row(name: str) -> tuple[Row | None, int]:
    """Return the label that a variable's end means, and the index; the longest name that fits is the label."""
    if name in ROWS:
        return ROWS[name], 0
    match = _INDEXED.fullmatch(name)
    return (ROWS.get(match["name"]), int(match["index"])) if match else (None, 0)


def _unknown(variable: str, name: str) -> Problem:
    bare = match["name"] if (match := _INDEXED.fullmatch(name)) else name
    near = difflib.get_close_matches(bare, ROWS, n=1, cutoff=0.6)
    hint = f"; did you mean {variable.removesuffix(name)}{near[0]}?" if near else ""
    text = f"{variable} belongs to no label of Swarmgate{hint} (list them with: swarmgate labels)"
    return Problem(variable, text, unknown=True, restricts=bool(near) and ROWS[near[0]].label.restricts)


def _settle(draft: _Draft, number: int, services: dict[str, SwarmService]) -> Iterator[Problem]:
    """Add the service of one number to those found so far, or tell what is wrong with it."""
    wanted = f"{VARIABLE_PREFIX}{number}_SERVICE_NAME" if number else f"{VARIABLE_PREFIX}NAME"
    yield from draft.problems
    names = sorted(set(draft.names.values()))
    if not names:
        yield Problem(wanted, f"{wanted} is missing: set it to the name of the service")
    elif len(names) > 1:
        yield Problem(wanted, f"{' and '.join(sorted(draft.names))} name two services: {' and '.join(names)}")
    elif not is_service_name(names[0]):
        yield Problem(wanted, f"{min(draft.names)} is not a name: letters, digits, '_', '.' and '-'")
    elif names[0] in services:
        yield Problem(wanted, f"{min(draft.names)} names the service {names[0]}, which other variables declare too")
    elif not draft.problems:
        services[names[0]] = declared_service(names[0], draft.labels, id_=f"variables-{names[0]}")


DECLARED_ID = "declared-"
"""What the ids of services that were declared through the API begin with; Swarm's own ids are letters and digits."""


def is_declared(service: SwarmService) -> bool:
    """Return whether a service was declared through the API."""
    return service.id.startswith(DECLARED_ID)


def joined(world: Snapshot, *declared: Iterable[SwarmService]) -> Snapshot:
    """Return the world with the declared services added; of equal names the world's stays, then the first declared."""
    found = {service.name: service for services in reversed(declared) for service in reversed([*services])}
    by_name = found | {service.name: service for service in world.services} if found else {}
    if len(by_name) <= len(world.services):
        return world
    return Snapshot(services=tuple(by_name[name] for name in sorted(by_name)), certificates=world.certificates)
