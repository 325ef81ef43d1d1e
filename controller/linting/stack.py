"""A stack file as the linter sees it: its services as they would be deployed, and where each of their labels stands.

Pure. What cannot be said of any service by the labels alone is found here: labels in the wrong place, no opt-in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from controller.linting.findings import Finding, Severity
from controller.linting.variables import interpolated
from controller.sources.decode import opts_in
from controller.sources.stack_file import decode_stack
from controller.sources.strict_yaml import DocumentError, LineList, LineMapping, load
from models.reading import PREFIX
from models.snapshot import SwarmService


@dataclass(frozen=True, slots=True)
class LintedService:
    """A service that opted in; ``lines`` are those of its labels, ``unknown`` the labels whose value is not known."""

    service: SwarmService
    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    @property
    def shown(self) -> str:
        """Its name in the file."""
        return self.service.short_name

    def finding(self, severity: Severity, rule: str, message: str, label: str = "") -> Finding:
        """Return something to know about it, or about one of its labels."""
        return Finding(severity, rule, message, self.file, self.lines.get(label, self.line), self.shown, label)


@dataclass(frozen=True, slots=True)
class LintedStack:
    """What one file declares, and what is to be said of it."""

    services: tuple[LintedService, ...] = ()
    findings: tuple[Finding, ...] = ()


def read_stack(file: str, text: str, stack: str, environment: Mapping[str, str], notify_label: str) -> LintedStack:
    """Read a file whose services are to be called as those of a ``stack``."""
    try:
        decoded = decode_stack(text, notify_label=notify_label)
        document = load(text)
    except DocumentError as error:
        return LintedStack(findings=(Finding(Severity.ERROR, "NoStackFile", str(error), file, max(1, error.line)),))
    listed = _child(document, "services")
    findings = [each for name in listed for each in _misplaced(file, name, listed, notify_label)]
    services = []
    for service in decoded.services:
        linted, more = _linted(file, service, listed, stack, environment)
        services.append(linted)
        findings += more
    return LintedStack(tuple(services), tuple(findings))


def _linted(
    file: str, service: SwarmService, listed: LineMapping, stack: str, environment: Mapping[str, str]
) -> tuple[LintedService, list[Finding]]:
    """Return a service with the variables in its labels replaced, and what is to be said of those that are not set."""
    written = _labels(_child(listed.get(service.name), "deploy"))
    values = {label: interpolated(written[label][0], environment) for label in service.labels}
    labels = {label: value for label, (value, _) in values.items()}
    linted = LintedService(
        service.model_copy(update={"name": f"{stack}_{service.name}", "stack": stack, "labels": labels}),
        file,
        listed.lines.get(service.name, 1),
        {label: line for label, (_, line) in written.items()},
        frozenset(label for label, (_, unset) in values.items() if unset),
    )
    unset = ((label, name) for label, (_, names) in values.items() for name in names)
    return linted, [
        linted.finding(
            Severity.WARNING,
            "VariableNotSet",
            f"{label}: the variable {name} is not set here, so its value is not checked; "
            "docker stack deploy puts nothing in its place",
            label,
        )
        for label, name in unset
    ]


def _misplaced(file: str, name: str, listed: LineMapping, notify_label: str) -> Iterator[Finding]:
    """Tell of labels that Swarmgate will not see."""
    item = listed.get(name)
    for label, (_, line) in _labels(item).items():
        if label.startswith(PREFIX):
            text = f"{label} is a label of the containers; put it under deploy.labels, where the service's own are"
            yield Finding(Severity.ERROR, "LabelMisplaced", text, file, line, name, label)
    own = _labels(_child(item, "deploy"))
    values = {label: value for label, (value, _) in own.items()}
    if not opts_in(values, notify_label) and notify_label not in values:
        addressed = [label for label in own if label.startswith(PREFIX)]
        for label in addressed[:1]:
            text = f"the labels have no effect without {notify_label}=true, by which a service asks to be published"
            yield Finding(Severity.WARNING, "NotPublished", text, file, own[label][1], name, label)


def _labels(item: object) -> dict[str, tuple[str, int]]:
    """Return the labels of a service or of its ``deploy`` part as they are written, each with its line."""
    found = item.get("labels") if isinstance(item, LineMapping) else None
    if isinstance(found, LineList):
        pairs = [(str(entry).partition("="), line) for entry, line in zip(found, found.lines, strict=True)]
        return {key.strip(): (value, line) for (key, _, value), line in pairs}
    if not isinstance(found, LineMapping):
        return {}
    return {key: (_text(value), found.lines.get(key, found.line)) for key, value in found.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _child(item: object, key: str) -> LineMapping:
    found = item.get(key) if isinstance(item, LineMapping) else None
    return found if isinstance(found, LineMapping) else LineMapping(1)
