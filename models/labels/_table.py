"""The label table's grammar: a `Family` groups fields, a `Label` describes one, a `Row` is what the table lists.

A field without a `Label`, or whose type does not say what is `Allowed`, stops the import: the table is
complete or it does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, get_args, get_origin

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from models.base import Frozen
from models.types import Allowed

Mode = Literal["http", "tcp", "sni"]
EVERY_MODE: tuple[Mode, ...] = ("http", "tcp", "sni")
CONNECTIONS: tuple[Mode, ...] = ("tcp", "sni")


class Effect(StrEnum):
    """What a changed label costs a running HAProxy."""

    NOTHING = "nothing"
    """It changes nothing in HAProxy."""
    RUNTIME = "runtime"
    """Maps, servers or backends change by runtime commands (backends from HAProxy 3.4 on)."""
    PROFILE = "profile"
    """No reload if another service already uses the same options, one coalesced reload otherwise."""
    RELOAD = "reload"
    """One coalesced reload."""


_NEED_A_REASON = frozenset({Effect.PROFILE, Effect.RELOAD})


@dataclass(frozen=True, slots=True)
class Label:
    """The declaration of one label, in the metadata of its field.

    ``indexed``: may be given per destination (``com.df.port.2``). ``option``: the rules of a backend read the value
    from its record in a map (`render.options`). ``restricts``: narrows who gets access, so a broken value fails closed;
    ``opens``: lets in whom others of these keep out. ``secret``: the value is never shown. ``private``: nor
    is it here, for it may hold what a service asks its callers for, but templates may use it.
    ``modes``: the values of ``reqMode`` with which it means something; with others it is refused if it restricts, or if
    it says why it cannot be honoured (``not_with_sni``), and otherwise it is told that it has no effect.
    ``aliases``: spellings from earlier times, which still work. ``deprecated``: the label that took the place of this
    one, which still works. ``why``: what a change takes more than runtime commands for, if it does.
    """

    doc: str
    example: str
    indexed: bool = True
    effect: Effect = Effect.RUNTIME
    option: bool = False
    restricts: bool = False
    opens: bool = False
    secret: bool = False
    private: bool = False
    modes: tuple[Mode, ...] = ("http",)
    not_with_sni: str = ""
    aliases: tuple[str, ...] = ()
    deprecated: str = ""
    why: str = ""

    @property
    def is_shown(self) -> bool:
        """Whether the value may be shown to everybody."""
        return not (self.secret or self.private)


class Family(Frozen):
    """A group of labels about one subject; its field names become camel-case label names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: a label, where its value goes, and what it may be."""

    name: str
    family: str
    field: str
    label: Label
    allowed: str
    default: str

    @property
    def refused(self) -> tuple[Mode, ...]:
        """The values of ``reqMode`` with which it cannot be honoured."""
        others = (mode for mode in EVERY_MODE if mode not in self.label.modes)
        return tuple(mode for mode in others if self.label.restricts or (mode == "sni" and self.label.not_with_sni))

    def key(self, prefix: str, index: int = 0) -> str:
        """Return the label's key as a user writes it (``com.df.port.2``; index 0 is the bare label)."""
        return label_key(prefix, self.name, index)


def label_key(prefix: str, name: str, index: int) -> str:
    """Return a label's key as a user writes it (``com.df.port.2``; index 0 is the bare label)."""
    return f"{prefix}{name}.{index}" if index else f"{prefix}{name}"


def rows_of(family_name: str, family: type[Family]) -> tuple[Row, ...]:
    """Return the rows of one family.

    Raises:
        TypeError: a field has no `Label`, its type does not say what is `Allowed`, or nothing says why a
            change of it may take a reload.
    """
    return tuple(_row(family_name, name, field) for name, field in family.model_fields.items())


def _row(family_name: str, name: str, field: FieldInfo) -> Row:
    label = next((item for item in field.metadata if isinstance(item, Label)), None)
    own = _outermost(field.metadata)
    item = own or _allowed_within(field.annotation)
    if label is None or item is None:
        raise TypeError(f"the field {family_name}.{name} needs a Label and a type that says what is Allowed")
    if label.effect in _NEED_A_REASON and not label.why:
        raise TypeError(f"the field {family_name}.{name} does not say why its label takes a {label.effect.value}")
    return Row(
        name=field.alias or to_camel(name),
        family=family_name,
        field=name,
        label=label,
        allowed=item if own or get_origin(field.annotation) is not tuple else f"a list, each item {item}",
        default="" if field.default in (None, ()) else str(field.default).lower(),
    )


def _outermost(metadata: Iterable[object]) -> str | None:
    """Return the words of the last `Allowed`: a type that is built upon another one says what is true of itself."""
    return next((item.text for item in reversed([*metadata]) if isinstance(item, Allowed)), None)


def _allowed_within(annotation: object) -> str | None:
    """Find what is allowed for the items of a list, or for the value of an optional field."""
    if get_origin(annotation) is Annotated:
        text = _outermost(getattr(annotation, "__metadata__", ()))
        if text:
            return text
    return next(filter(None, map(_allowed_within, get_args(annotation))), None)
