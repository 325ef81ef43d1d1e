"""What HAProxy took last of each service, kept on disk: a new controller can go back to it as well.

Swarm knows the labels from before a service's last update, and no others. A file has one service a line, with the
labels rather than what they were read as, since another version may read them otherwise. They are read when a form is
asked for, which is seldom: the start of a controller does not wait for thousands of forms that nobody goes back to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from controller.sources.saved import Saved
from models.base import Frozen
from models.proxy import LastGood, TemplateTexts
from models.reading import LabelRules, read_labels
from models.tables import Derived
from render.texts import Text


@dataclass(frozen=True, slots=True)
class Remembered:
    """The forms of services that HAProxy runs, and the texts of their templates, both by Swarm service id."""

    forms: Mapping[str, LastGood] = field(default_factory=dict)
    templates: Mapping[str, TemplateTexts] = field(default_factory=dict)


class _Line(Frozen):
    id: str
    name: str
    stack: str = ""
    labels: Mapping[str, str]
    frontend: str | None = None
    backend: str | None = None


def saved_in(path: Path, rules: LabelRules, *, interval: float = 5.0) -> Saved[Remembered]:
    """Return the file that holds what is remembered; labels are read by the ``rules`` of today."""
    joined: Derived[str, _Good] = Derived(_joined)
    lines: Text[_Good] = Text(_line)
    return Saved(
        path,
        "Last good labels",
        read=partial(_read, rules),
        write=lambda known: lines(joined(known.forms, known.templates)).encode(),
        interval=interval,
    )


_Good = tuple[LastGood, TemplateTexts]


def _joined(good: LastGood | None, texts: TemplateTexts | None) -> _Good | None:
    return None if good is None else (good, texts or TemplateTexts())


def _line(id_: str, known: _Good) -> str:
    good, texts = known
    line = _Line(
        id=id_,
        name=good.form.name,
        stack=good.form.stack,
        labels=good.labels,
        frontend=texts.frontend,
        backend=texts.backend,
    )
    return f"{line.model_dump_json(exclude_defaults=True)}\n"


def _read(rules: LabelRules, content: bytes) -> Remembered:
    """Read what was written; labels that are none any more are left out.

    Raises:
        ValueError: it was not written by this. The text does not quote it, since it may hold passwords.
    """
    try:
        lines = [_Line.model_validate_json(line) for line in content.splitlines()]
    except ValidationError as error:
        raise ValueError(f"it does not hold labels ({error.error_count()} errors)") from None
    texts = {line.id: TemplateTexts(line.frontend, line.backend) for line in lines if line.frontend or line.backend}
    return Remembered(_Forms(lines, rules), texts)


class _Forms(Mapping[str, LastGood]):
    """The forms of the services in some lines; those whose labels are none any more are not there."""

    def __init__(self, lines: Iterable[_Line], rules: LabelRules) -> None:
        self._lines = {line.id: line for line in lines}
        self._rules = rules
        self._known: dict[str, LastGood | None] = {}

    def __getitem__(self, id_: str) -> LastGood:
        if id_ not in self._known:
            self._known[id_] = _form(self._lines[id_], self._rules)
        if (form := self._known[id_]) is None:
            raise KeyError(id_)
        return form

    def __iter__(self) -> Iterator[str]:
        return (id_ for id_ in self._lines if id_ in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _form(line: _Line, rules: LabelRules) -> LastGood | None:
    form = read_labels(line.name, line.labels, rules, stack=line.stack).service
    return None if form is None else LastGood(form, line.labels)
