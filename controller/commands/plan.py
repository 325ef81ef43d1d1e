"""``swarmgate plan``: what would be done to a running HAProxy, worked out without doing it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import unified_diff
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.syntax import Syntax

from controller.changes import Change, Plan, ReloadReason
from controller.commands.render import shown_files
from controller.commands.tables import folding_table
from controller.dry_run import Made
from controller.plan import make_plan
from models.observed import Capability, Observed

_SINCE_3_4 = (3, 4)
_REASONS: Mapping[ReloadReason, str] = {
    ReloadReason.SETTINGS: "rules that serve all services change (a condition, a priority, a route of a template)",
    ReloadReason.FRONTEND: "a TCP port is opened, closed, or given to another service",
    ReloadReason.PROFILE: "options of a backend that no service has had so far, or none in this combination",
    ReloadReason.BACKEND: "a backend is new or gets other options, which this HAProxy cannot do at run time",
    ReloadReason.CERTIFICATE: "a certificate is too large for a runtime command, or is for other names than before",
}
_SECRET_FIELDS = frozenset({"pem"})


@dataclass(frozen=True, slots=True)
class Planned:
    """What leads from one state of HAProxy to another, and the files of both, without what is secret.

    ``refused`` says what would be wrong with services by their labels and is not now, by name.
    """

    plan: Plan
    now: Mapping[str, str]
    then: Mapping[str, str]
    refused: Mapping[str, str]


def planned(before: Made, after: Made, version: tuple[int, int] | None) -> Planned:
    """Decide what leads from one world to another; ``version`` is HAProxy's, None taken for the newest."""
    is_new = version is None or version >= _SINCE_3_4
    capabilities = frozenset(Capability) if is_new else frozenset(Capability) - {Capability.DYNAMIC_BACKENDS}
    running = Observed(
        running=True, capabilities=capabilities, maps=before.rendered.maps, backends=before.rendered.running
    )
    known = before.refused
    refused = {name: message for name, message in after.refused.items() if known.get(name) != message}
    return _planned(running, before.rendered.files(), after, refused)


def pending(observed: Observed, files: Mapping[str, bytes], after: Made) -> Planned:
    """Decide what leads from what HAProxy runs, which was started from these files, to what is desired of it."""
    return _planned(observed, files, after, after.refused)


def _planned(observed: Observed, files: Mapping[str, bytes], after: Made, refused: Mapping[str, str]) -> Planned:
    now, then = (shown_files(each, with_secrets=False) for each in (files, after.rendered.files()))
    return Planned(make_plan(observed, after.rendered), now, then, refused)


def report(found: Planned) -> RenderableType:
    """Return a plan to be read by people."""
    return Group(*_headline(found), *_refused(found), *_changes(found.plan), *_diff(found))


def as_json(found: Planned) -> dict[str, Any]:
    """Return a plan fit for JSON."""
    return {
        "outcome": found.plan.outcome.value,
        "reload_reasons": {reason.value: _REASONS[reason] for reason in found.plan.reload_reasons},
        "changes": [{"change": type(each).__name__, **_fields(each)} for each in _all(found.plan)],
        "refused": dict(found.refused),
        "diff": "".join(_unified(found)),
    }


def _all(plan: Plan) -> tuple[Change, ...]:
    return (*plan.changes, *plan.retirements)


def _fields(change: Change) -> dict[str, Any]:
    """Return what a change is about; of a certificate not itself."""
    names = (each.name for each in fields(change) if each.name not in _SECRET_FIELDS)
    values = {name: getattr(change, name) for name in names}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _headline(found: Planned) -> Iterator[str]:
    plan = found.plan
    if plan.empty:
        yield "[green]Nothing changes.[/green]"
    elif plan.reload_reasons:
        yield "[yellow]HAProxy is reloaded once, without losing a connection:[/yellow]"
        yield from (f"  [bold]{reason.value}[/bold]: {_REASONS[reason]}" for reason in plan.reload_reasons)
    else:
        number = len(_all(plan))
        yield f"[green]{number} change{'s' * (number != 1)} at run time, no reload.[/green]"


def _refused(found: Planned) -> Iterator[str]:
    for name, message in found.refused.items():
        yield f"[red]{escape(name)}[/red]: {escape(message)}"


def _changes(plan: Plan) -> Iterator[RenderableType]:
    if not _all(plan):
        return
    table = folding_table("Change", "Of what", "How")
    for each in _all(plan):
        first, *others = _fields(each).items()
        table.add_row(type(each).__name__, escape(str(first[1])), escape(_words(dict(others))))
    yield table


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(_word(name, value) for name, value in values.items() if value)


def _word(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={each}" for key, each in value.items())
    return f"{name} {' '.join(map(str, value))}" if isinstance(value, tuple) else str(value)


def _diff(found: Planned) -> Iterator[RenderableType]:
    text = "".join(_unified(found))
    if text:
        yield Syntax(text, "diff", background_color="default", word_wrap=True)


def _unified(found: Planned) -> Iterator[str]:
    """Yield the differences of all files."""
    for name in dict.fromkeys((*found.now, *found.then)):
        now, then = (each.get(name, "").splitlines(keepends=True) for each in (found.now, found.then))
        yield from unified_diff(now, then, f"now/{name}", f"then/{name}", n=2)
