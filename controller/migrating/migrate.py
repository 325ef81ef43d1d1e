"""From a stack file with labels of other proxies to one with Swarmgate's, and a report of every label. Pure.

What is written has been read and judged as a proxy would do it: a service whose labels would be refused keeps its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.linting.findings import Severity
from controller.linting.lint import lint
from controller.migrating import caddy, easyhaproxy, traefik
from controller.migrating.stack import LabelBlock, edited, read_blocks
from controller.migrating.translation import (
    Dialect,
    Fate,
    Outcome,
    Translation,
    hidden,
    kept_for_borrowers,
    shown,
)
from controller.sources.strict_yaml import DocumentError
from models.reading import PREFIX
from models.settings import ProxySettings


class Origin(StrEnum):
    """The proxies whose labels are understood."""

    TRAEFIK = "traefik"
    EASYHAPROXY = "easyhaproxy"
    CADDY = "caddy"


_DIALECTS: Mapping[Origin, Dialect] = {
    Origin.TRAEFIK: traefik.translate,
    Origin.EASYHAPROXY: easyhaproxy.translate,
    Origin.CADDY: caddy.translate,
}
_STARTS: Mapping[Origin, tuple[str, ...]] = {
    Origin.TRAEFIK: ("traefik.",),
    Origin.EASYHAPROXY: ("easyhaproxy.",),
    Origin.CADDY: ("caddy", "caddy.", "caddy_"),
}
_OF_CONTAINERS = "it is a label of the containers, which Swarm does not show to proxies; put it under deploy.labels"
_SHARED_BLOCK = "the labels are in a block that is not this service's alone (an anchor); give it labels of its own"
_HAS_OURS = "the service has labels of Swarmgate already, which are left as they are"


@dataclass(frozen=True, slots=True)
class Migrated:
    """The file as it is now, and what became of the labels of each service that had some."""

    text: str
    translations: Mapping[str, Translation]

    @property
    def is_whole(self) -> bool:
        """Whether every label was translated."""
        told = (each for translation in self.translations.values() for each in translation.outcomes)
        return all(outcome.fate is not Fate.UNTRANSLATED for outcome in told)


def migrate(text: str, origins: Sequence[Origin] = tuple(Origin), *, replace: bool = False) -> Migrated:
    """Translate the labels of these proxies; ``replace`` takes out those that were translated.

    Raises:
        DocumentError: it is no stack file, or labels cannot be put into it.
    """
    blocks = read_blocks(text)
    variables = list[str]()
    told = _translations(blocks, origins, variables)
    while True:
        told = kept_for_borrowers(told)
        result = _edit(text, blocks, told, variables, replace=replace)
        refused = _refusals(text, result, {name for name, each in told.items() if each.labels})
        if not refused:
            return Migrated(result, told)
        told = {name: each.refused(refused[name]) if name in refused else each for name, each in told.items()}


def _translations(
    blocks: Sequence[LabelBlock], origins: Iterable[Origin], variables: list[str]
) -> dict[str, Translation]:
    found: dict[str, Translation] = {}
    for origin in origins:
        labels = {
            block.service: {label: hidden(value, variables) for label, value in block.labels.items()}
            for block in blocks
            if any(_is_of(origin, label) for label in block.labels)
        }
        translations = _DIALECTS[origin](labels) if labels else {}
        for block in blocks:
            translation = translations.get(block.service, Translation())
            stray = [entry.label for entry in block.of_containers if _is_of(origin, entry.label)]
            reason = _hindrance(block, found.get(block.service))
            if reason and translation.outcomes:
                translation = translation.refused(reason)
            outcomes = (*translation.outcomes, *(Outcome(label, Fate.UNTRANSLATED, _OF_CONTAINERS) for label in stray))
            if outcomes:
                known = found.get(block.service, Translation())
                found[block.service] = known.and_also(replace(translation, outcomes=outcomes))
    return {block.service: found[block.service] for block in blocks if block.service in found}


def _is_of(origin: Origin, label: str) -> bool:
    lower = label.lower()
    return any(lower == start or (start[-1] in "._" and lower.startswith(start)) for start in _STARTS[origin])


def _hindrance(block: LabelBlock, known: Translation | None) -> str:
    """Tell why labels cannot be added to a service; empty if they can."""
    if any(label.startswith(PREFIX) for label in block.labels):
        return _HAS_OURS
    if block.place is None:
        return _SHARED_BLOCK
    if known and known.labels:
        return "the service has labels of several proxies; choose one by --from"
    return ""


def _edit(
    text: str,
    blocks: Sequence[LabelBlock],
    told: Mapping[str, Translation],
    variables: Sequence[str],
    *,
    replace: bool,
) -> str:
    coming = {
        name: {label: shown(value, variables) for label, value in each.labels.items()} for name, each in told.items()
    }
    going = {
        name: {outcome.label for outcome in each.outcomes if replace and outcome.fate is not Fate.UNTRANSLATED}
        for name, each in told.items()
    }
    result = edited(
        text, [(each, coming[each.service], going[each.service]) for each in blocks if each.service in told]
    )
    _check_edit(result, blocks, coming, going)
    return result


def _check_edit(
    result: str,
    blocks: Iterable[LabelBlock],
    coming: Mapping[str, Mapping[str, str]],
    going: Mapping[str, set[str]],
) -> None:
    """See to it that the file says what it is meant to.

    Raises:
        DocumentError: its form is one that cannot be edited.
    """
    for before, after in zip(blocks, read_blocks(result), strict=True):
        name = before.service
        out = {each.label for each in before.entries if each.start is not None} & going.get(name, set())
        kept = {label: value for label, value in before.labels.items() if not (coming.get(name) and label in out)}
        if after.labels != {**kept, **coming.get(name, {})}:
            raise DocumentError(f"the labels of {name} are written in a way that cannot be edited")


class _EveryVariable(dict[str, str]):
    """An environment in which every variable is set, each to another number, which fits nearly everywhere."""

    def get(self, key: str, default: object = None) -> str:  # noqa: ARG002  dict's
        """Return the value of a variable."""
        return self.setdefault(key, str(len(self) + 1))


def _refusals(before: str, after: str, services: set[str]) -> dict[str, str]:
    """Return why some of these services would be refused as they are written now; not what was wrong before."""
    settings, environment = ProxySettings(), _EveryVariable()
    known = {(each.service, each.message) for each in lint([("stack", before)], settings, environment)}
    found: dict[str, str] = {}
    for each in lint([("stack", after)], settings, environment):
        is_new = each.severity is Severity.ERROR and (each.service, each.message) not in known
        if is_new and each.service in services:
            found.setdefault(each.service, f"what would have to be written is refused: {each.message}")
    return found
