"""From stack files to findings: labels as a proxy would read them, all services side by side as in one Swarm. Pure.

Nothing is known here of what a proxy finds around itself (secrets, networks, running tasks), so nothing is said of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import PurePath

from controller.desired import build_desired
from controller.endpoints import Surroundings
from controller.judging import judge
from controller.linting.findings import Finding, Severity
from controller.linting.stack import LintedService, LintedStack, read_stack
from models.conditions import Reason
from models.notices import NoticeReason
from models.reading import LabelRules, Problem, Reading, read_labels
from models.settings import ProxySettings
from models.snapshot import Snapshot

_CONFLICTS = frozenset({Reason.ROUTE_CONFLICT, Reason.PORT_CONFLICT, Reason.NAME_CONFLICT, Reason.TOO_MANY_CONDITIONS})
_FIRST = ", which is older and keeps it"
_AGE = "; of services that are deployed at the same time the first by name has it"


def lint(files: Sequence[tuple[str, str]], settings: ProxySettings, environment: Mapping[str, str]) -> list[Finding]:
    """Check files, given by name and text, as if all were deployed to one Swarm, each as a stack of its own.

    Findings are in the order of the files and lines.
    """
    rules = settings.label_rules
    stacks = [
        read_stack(file, text, stack, environment, rules.notify_label)
        for (file, text), stack in zip(files, _stack_names([file for file, _ in files]), strict=True)
    ]
    services = tuple(chain.from_iterable(stack.services for stack in stacks))
    found = [*_of_files(stacks), *chain.from_iterable(_of_labels(each, rules) for each in services)]
    found += _of_conflicts(services, settings)
    position = {file: number for number, (file, _) in enumerate(files)}
    return sorted(found, key=lambda each: (position[each.file], each.line, each.label, each.message))


def _stack_names(files: Sequence[str]) -> list[str]:
    """Name the stacks after the files, each by a name of its own."""
    stems = [PurePath(file).stem for file in files]
    return [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems, start=1)]


def _of_files(stacks: Iterable[LintedStack]) -> Iterator[Finding]:
    return chain.from_iterable(stack.findings for stack in stacks)


def _of_labels(linted: LintedService, rules: LabelRules) -> Iterator[Finding]:
    """Tell what is wrong with a service's labels by themselves, less those whose value is not known."""
    reading = _read(linted, rules)
    for problem in reading.problems:
        if problem.label not in linted.unknown:
            yield linted.finding(Severity.ERROR, _rule(problem), problem.text, problem.label)
    told = (
        (NoticeReason.DEPRECATED_LABEL, reading.deprecations),
        (NoticeReason.LABEL_WITHOUT_EFFECT, reading.without_effect),
    )
    for reason, texts in told:
        for text in texts:
            yield linted.finding(Severity.NOTE, reason.value, text, _label_at_beginning(text, linted))


def _rule(problem: Problem) -> str:
    return (Reason.UNKNOWN_LABEL if problem.unknown else Reason.INVALID_LABEL).value


def _label_at_beginning(text: str, linted: LintedService) -> str:
    """Return the label that a notice is about, with which its text begins."""
    return next((label for label in linted.lines if text.startswith((f"{label} ", f"{label}="))), "")


def _read(linted: LintedService, rules: LabelRules) -> Reading:
    service = linted.service
    return read_labels(service.name, service.labels, rules, stack=service.stack)


def _of_conflicts(services: Sequence[LintedService], settings: ProxySettings) -> Iterator[Finding]:
    """Tell both sides of what two services claim."""
    by_name = {each.service.name: each for each in services}
    snapshot = Snapshot(services=tuple(by_name[name].service for name in sorted(by_name)))
    judged = judge(snapshot, settings, forms={}, rejected={})
    desired = build_desired(judged, settings, Surroundings())
    for name, conditions in desired.conditions.items():
        for each in dict.fromkeys((condition.reason, condition.message) for condition in conditions):
            if each[0] in _CONFLICTS and name in by_name:
                message = each[1].replace(_FIRST, _AGE)
                yield by_name[name].finding(Severity.ERROR, each[0].value, message)
    for name, notices in desired.notices.items():
        for notice in notices:
            if notice.reason is NoticeReason.CONTESTED and name in by_name:
                yield by_name[name].finding(Severity.WARNING, notice.reason.value, notice.message)
