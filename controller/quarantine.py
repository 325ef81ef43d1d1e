"""The services that HAProxy refuses: what it said of them, and for how long that counts. Pure.

Each is tried anew as soon as anything is another that its lines come from or refer to.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from controller.judging import Candidate, Judged, Refusal
from controller.templates import NO_FILES, TemplateFile, named_in
from models.service import ProxyService

_WORD = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A service that HAProxy refused in the form that its labels ask for.

    ``files`` are those that its templates were in, ``neighbours`` the forms of the services whose backends its lines
    refer to, by backend.
    """

    form: ProxyService
    files: tuple[TemplateFile | None, ...]
    neighbours: Mapping[str, ProxyService]
    refusal: Refusal


@dataclass(slots=True)
class Quarantine:
    """Keeps the rejected services by name."""

    _rejected: dict[str, Rejected] = field(default_factory=dict)

    @property
    def refusals(self) -> dict[str, Refusal]:
        """What HAProxy said, by service."""
        return {name: entry.refusal for name, entry in self._rejected.items()}

    @property
    def has_templates(self) -> bool:
        """Whether any of them names files that may be mended."""
        return any(entry.files != NO_FILES for entry in self._rejected.values())

    def take(self, blamed: Mapping[str, str], wanted: Judged, files: Mapping[str, TemplateFile]) -> None:
        """Take in services with HAProxy's words; one that is here already was refused in its last good form.

        ``wanted`` is what all labels ask for, ``files`` are the templates.
        """
        backends = _backends(wanted.candidates)
        for candidate in (each for each in wanted.candidates if each.swarm.name in blamed):
            name, form = candidate.swarm.name, candidate.form
            known = self._rejected.get(name)
            if known is not None:
                self._rejected[name] = replace(known, refusal=replace(known.refusal, last_too=True))
                continue
            its_files = named_in(form, files)
            neighbours = _neighbours(form, its_files, backends)
            self._rejected[name] = Rejected(form, its_files, neighbours, Refusal(blamed[name]))

    def release(self, wanted: Judged, files: Mapping[str, TemplateFile] | None) -> None:
        """Let go of those of which something is another now; ``files`` are None if they have not been looked at."""
        if not self._rejected:
            return
        forms = {each.swarm.name: each.form for each in wanted.candidates}
        backends = _backends(wanted.candidates)
        self._rejected = {
            name: entry
            for name, entry in self._rejected.items()
            if forms.get(name) == entry.form
            and (files is None or named_in(entry.form, files) == entry.files)
            and _neighbours(entry.form, entry.files, backends) == entry.neighbours
        }


def _backends(candidates: Iterable[Candidate]) -> dict[str, ProxyService]:
    return {
        way.backend: each.form
        for each in candidates
        for destination in each.form.destinations
        for way in each.form.ways(destination)
    }


def _neighbours(
    form: ProxyService, files: Iterable[TemplateFile | None], backends: Mapping[str, ProxyService]
) -> dict[str, ProxyService]:
    """Return the forms of other services whose backends are named in the lines that a service brings, by backend."""
    texts = [line for each in form.destinations for line in each.custom.backend_extra]
    texts += [each.text for each in files if each is not None and each.text is not None]
    words = {word for text in texts for word in _WORD.findall(text)}
    return {word: backends[word] for word in words & backends.keys() if backends[word].name != form.name}
