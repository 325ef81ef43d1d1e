"""Profiles: named defaults sections that hold everything a backend does besides its servers.

HAProxy 3.4 makes a backend at run time from such a section. They are named by their content, so services with the same
options share one, and a new service with known options needs no reload.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from models.labels._table import Family
from models.proxy import Backend, ServerIdentity
from models.reading import plain_destination
from models.service import DESTINATION_FAMILIES, UNSAID, Destination
from models.settings import ProxySettings
from render.environment import environment
from render.sections import Section, SectionKind, digest, table_name
from render.userlists import hashed_section, remembering_section

SLOTS = ("options", "alone", "request", "response", "extra")
"""The order of lines in a profile; a family's template defines a macro for each slot it fills.

``alone`` is for what makes all that follows needless, as long as that is about options only.
"""
_SERVER = "server"
"""A slot of its own: what follows the address of a server."""

_IN_MAPS = frozenset({"matching", "target", "traffic", "backend_tls"})
"""Families that become map entries and servers, or reach a profile in another form."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A rendered profile: its section, the sections that it needs, and what follows the address of its servers."""

    section: Section
    needs: tuple[Section, ...]
    server_options: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a backend is besides what labels say of it; templates know it as ``backend``.

    Attributes:
        users: the name of the list of users.
        table: the name of the table where clients are counted.
        cookie: what the cookie of sticky sessions is named.
        template: the lines of the service's own template.
    """

    mode: str
    closed: bool = False
    users: str | None = None
    table: str | None = None
    cookie: str | None = None
    behind_proxies: bool = False
    template: tuple[str, ...] = ()
    identity: ServerIdentity | None = None

    @property
    def authority(self) -> str | None:
        """The name of the file with the authority that vouches for servers."""
        return authority_file(self.identity) if self.identity else None


def profile_of(backend: Backend, settings: ProxySettings) -> Profile:
    """Return the profile of a backend; equal options give equal profiles."""
    is_sticky = backend.mode == "http" and backend.destination.balancing.is_sticky
    users = hashed_section(backend.user_list) if backend.user_list else None
    kind = _Kind(
        backend.mode,
        backend.closed,
        users=users.name if users else None,
        cookie=backend.service if is_sticky else None,
        behind_proxies=bool(settings.trusted_proxies),
        template=backend.template,
        identity=backend.identity,
    )
    return _profile(kind, _said(backend.destination), users)


def authority_file(identity: ServerIdentity) -> str:
    """Return the name of the file that has the authority, by its content: another content is another profile."""
    return f"ca/{digest(identity.authority)}.pem"


def plain_profiles(settings: ProxySettings) -> tuple[Profile, ...]:
    """Return the profiles that are always loaded, so that the first plain service of a kind needs no reload."""
    behind_proxies = bool(settings.trusted_proxies)
    return tuple(
        _profile(
            _Kind(mode, closed, behind_proxies=behind_proxies), _said(plain_destination(mode, settings.label_rules))
        )
        for mode in ("http", "tcp")
        for closed in (False, True)
    )


_Families = tuple[tuple[str, Family], ...]
"""Families by name, in the order of their lines."""


def _said(destination: Destination) -> _Families:
    """Return those that labels say something of, which tell profiles apart."""
    return tuple((name, family) for name, family in destination.said if name not in _IN_MAPS)


@lru_cache(maxsize=4096)
def _profile(kind: _Kind, said: _Families, users: Section | None = None) -> Profile:
    if table := _table_section(dict(said).get("limits")):
        kind = replace(kind, table=table.name)
    fillings = {**_unsaid(kind), **{name: _filled(name, family, kind) for name, family in said}}
    slots = _slots(fillings)
    plain = _slots(_unsaid(_Kind(kind.mode, users=kind.users)))
    is_plain = (slots["request"], slots["extra"]) == (plain["request"], plain["extra"])
    lines = str(_layout().profile(kind, slots, is_plain))
    options = _server_options((*_of_slot(_SERVER, fillings), str(_layout().server(kind))))
    name = f"{kind.mode}-{digest(lines + options)}"
    section = Section(SectionKind.PROFILE, name, f"defaults {name} from base\n{lines}")
    return Profile(section, tuple(filter(None, (users, remembering_section() if users else None, table))), options)


_Fillings = Mapping[str, Mapping[str, str]]
"""What families fill slots with, by their names, in the order of their lines."""


@lru_cache
def _unsaid(kind: _Kind) -> _Fillings:
    """Return what all families fill slots with of which labels say nothing."""
    families = {name: UNSAID[model] for name, model in DESTINATION_FAMILIES.items() if name not in _IN_MAPS}
    return {name: _filled(name, family, kind) for name, family in families.items()}


@lru_cache(maxsize=4096)
def _filled(name: str, family: Family, kind: _Kind) -> Mapping[str, str]:
    """Return what a family fills slots with: often the same as for many others."""
    macros = ((slot, getattr(_macros(name), slot, None)) for slot in (*SLOTS, _SERVER))
    return {slot: str(macro(family, kind)) for slot, macro in macros if macro}


def _slots(fillings: _Fillings) -> dict[str, str]:
    return {slot: "".join(_of_slot(slot, fillings)) for slot in SLOTS}


def _of_slot(slot: str, fillings: _Fillings) -> Iterator[str]:
    return (filled[slot] for filled in fillings.values() if slot in filled)


def _server_options(fillings: Iterable[str]) -> str:
    """Return what follows a server's address; what several ask for is there once."""
    words = (" ".join(filling.split()) for filling in fillings)
    return " ".join(dict.fromkeys(filter(None, words)))


@cache
def _layout() -> ModuleType | Any:  # noqa: ANN401 - Jinja's template modules are untyped
    return environment().get_template("profile.cfg.j2").module


@lru_cache
def _macros(family: str) -> ModuleType | Any:  # noqa: ANN401 - Jinja's template modules are untyped
    return environment().get_template(f"labels/{family}.cfg.j2").module


def _table_section(limits: Family | None) -> Section | None:
    if not getattr(limits, "rate_limit", None):
        return None
    lines = str(_macros("limits").table(limits))
    name = table_name(lines)
    return Section(SectionKind.TABLE, name, f"backend {name} from base\n{lines}")
