"""Options: what labels ask of a backend's rules, as data, so that it changes at run time.

``OPTIONS`` leads from a backend to its record: a field for each label that is declared as an ``option``, in the order
of the label table. A field is empty where nothing is asked for; a backend that asks for nothing has no record. The last
field has a letter for each label that is asked for, but for logins, which many want and nothing else: where it is
empty, all other rules are passed over at the price of looking for a variable that is not there. Logins are the first
field, which is found soonest.
``MEMBERS`` has a key for each member of a list. Lists are named by their content, so a changed list is another one,
which takes the place of the former in one step.

Addresses are compared by the beginning of their 32 hexadecimal digits as IPv6. An IPv4 network is one of IPv6
in each of the forms that HAProxy takes for IPv4 when it compares addresses itself.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from string import ascii_uppercase
from typing import Any

from models.labels._table import Row
from models.labels.limits import Rate
from models.proxy import Backend, UserList
from models.service import TABLE
from render.logins import login_of
from render.sections import digest

IPV4_MAPPED = f"{0xFFFF:024X}"
"""The digits before those of an IPv4 address that stands for itself (RFC 4291, 2.5.5.2)."""
_IPV4_FORMS = (IPV4_MAPPED, "0" * 24, "2002")
"""Mapped, compatible and 6to4."""
_DIGIT_BITS = 4

_LOGINS = "users"
_COLUMNS = tuple(sorted((row for row in TABLE.values() if row.label.option), key=lambda row: row.name != _LOGINS))
_FAMILIES = frozenset(row.family for row in _COLUMNS)
_POSITIONS = {row.field: number for number, row in enumerate(_COLUMNS, start=1)}
_LETTERS = dict(zip((row.field for row in _COLUMNS[1:]), ascii_uppercase, strict=False))

LETTERS = "field(-1,|)"
"""The converter that takes the letters from a record."""
NAMES = "|".join([*(row.name for row in _COLUMNS), "".join(_LETTERS.values())])
"""What the fields of a record are about; the letters stand for all but logins, in their order."""


def option(field: str) -> str:
    """Return the expression for what a backend's record says of a label, by the name of its field.

    Raises:
        KeyError: the label is not declared as an option.
    """
    return f"var(txn.options),field({_POSITIONS[field]},|)"


def asks(field: str) -> str:
    """Return the condition that a backend's record says something of a label."""
    return f"{{ {asking(field)} }}" if field in _LETTERS else "!{ var(txn.options) -m beg | }"


def asking(field: str) -> str:
    """Return the test that is `asks`, for an ACL with a name: what several rules ask is cheaper to load once.

    Raises:
        KeyError: the label has no letter.
    """
    return f"var(txn.asked) -m sub {_LETTERS[field]}"


def record_of(backend: Backend) -> str:
    """Return the record of a backend; empty if it asks for nothing, or answers nothing anyway."""
    if backend.user_list is None and not any(name in _FAMILIES for name, _ in backend.destination.said):
        return ""  # as it is for most
    fields = [""] * len(_COLUMNS) if backend.closed else list(map(_text, _values(backend)))
    letters = (_LETTERS.get(row.field, "") for row, text in zip(_COLUMNS, fields, strict=True) if text)
    return "|".join([*fields, "".join(letters)]) if any(fields) else ""


def members_of(backends: Iterable[Backend]) -> dict[str, str]:
    """Return the entries of ``MEMBERS`` for backends with a record."""
    lists = {value for backend in backends for value in _values(backend) if isinstance(value, tuple) and value}
    return dict.fromkeys(sorted(key for items in lists for key in _keys(items)), "1")


def _values(backend: Backend) -> Iterator[Any]:
    """Yield what a backend asks for, in the order of the record; nothing that has no meaning in its mode."""
    for row in _COLUMNS:
        has_meaning = backend.mode in row.label.modes
        yield _value(backend, row) if has_meaning else None


def _value(backend: Backend, row: Row) -> Any:  # noqa: ANN401 - whatever a label may be
    """Return what a label has come to: users may stand in secrets, or be the proxy's own."""
    is_users = row.name == _LOGINS
    return backend.user_list if is_users else getattr(getattr(backend.destination, row.family), row.field)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a label may be
    if isinstance(value, tuple):
        return _list_id(value) if value else ""
    if isinstance(value, UserList):
        return login_of(value)
    if isinstance(value, Rate):
        return str(value.requests)
    return ("1" if value is True else str(value)) if value else ""


@lru_cache(maxsize=4096)
def _list_id(items: tuple[str, ...]) -> str:
    return digest(repr(items))


@lru_cache(maxsize=4096)
def _keys(items: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of a list's members: methods by their name, networks by how their addresses begin."""
    name = _list_id(items)
    return tuple(f"{name}#{member}" for item in items for member in _members(item))


def _members(item: str) -> Iterable[str]:
    return _beginnings(ip_network(item)) if "/" in item else (item,)


def _beginnings(network: IPv4Network | IPv6Network) -> Iterator[str]:
    """Yield the digits that addresses of a network begin with; several, if it does not end with a whole digit."""
    size = max(1, -(-network.prefixlen // _DIGIT_BITS))
    first = int(network.network_address) >> (network.max_prefixlen - size * _DIGIT_BITS)
    for number in range(first, first + (1 << (size * _DIGIT_BITS - network.prefixlen))):
        for form in _IPV4_FORMS if network.version == 4 else ("",):  # noqa: PLR2004 - the version of IP
            yield f"{form}{number:0{size}X}"
