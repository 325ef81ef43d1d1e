"""The services that HAProxy refuses: what it said of them, and for how long that counts. Pure.

Each is tried anew as soon as anything is another that its lines come from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.judging import Judged, Refusal
from controller.templates import NO_FILES, TemplateFile, named_in
from models.service import ProxyService


@dataclass(frozen=True, slots=True)
class Rejected:
    """A service that HAProxy refused in the form that its labels ask for, with the files of its templates."""

    form: ProxyService
    files: tuple[TemplateFile | None, ...]
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
        for name in sorted(blamed.keys() & wanted.by_name.keys()):
            form = wanted.by_name[name].form
            known = self._rejected.get(name)
            if known is not None:
                self._rejected[name] = replace(known, refusal=replace(known.refusal, last_too=True))
                continue
            self._rejected[name] = Rejected(form, named_in(form, files), Refusal(blamed[name]))

    def release(self, wanted: Judged, files: Mapping[str, TemplateFile] | None) -> None:
        """Let go of those of which something is another now; ``files`` are None if they have not been looked at."""
        if not self._rejected:
            return
        forms = {name: wanted.by_name[name].form for name in self._rejected if name in wanted.by_name}
        self._rejected = {
            name: entry
            for name, entry in self._rejected.items()
            if forms.get(name) == entry.form and (files is None or named_in(entry.form, files) == entry.files)
        }
