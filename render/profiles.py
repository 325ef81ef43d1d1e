"""Profiles: named defaults sections that hold everything a backend does besides its servers.

HAProxy 3.4 makes a backend at run time from such a section. They are named by their content, so services with the same
options share one, and a new service with known options needs no reload.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
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

_IN_MAPS = frozenset({"matching", "target", "traffic", "backend_tls"})
"""Families that become map entries and servers, or reach a profile in another form."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A rendered profile: its section, the sections that it needs, and what follows the address of its servers."""

    section: Section
    needs: tuple[Section, ...]
    server_options: str


def profile_of(backend: Backend, settings: ProxySettings) -> Profile:
    """Return the profile of a backend; equal options give equal profiles."""
    families = _said(backend.destination)
    is_sticky = backend.mode == "http" and backend.destination.balancing.is_sticky
    cookie = backend.service if is_sticky else None
    users = backend.user_list
    return _profile(
        backend.mode,
        families,
        users and hashed_section(users),
        backend.closed,
        identity=backend.identity,
        cookie=cookie,
        behind_proxies=bool(settings.trusted_proxies),
        template=backend.template,
    )


def authority_file(identity: ServerIdentity) -> str:
    """Return the name of the file that has the authority, by its content: another content is another profile."""
    return f"ca/{digest(identity.authority)}.pem"


def plain_profiles(settings: ProxySettings) -> tuple[Profile, ...]:
    """Return the profiles that are always loaded, so that the first plain service of a kind needs no reload."""
    kinds = [(mode, closed) for mode in ("http", "tcp") for closed in (False, True)]
    return tuple(
        _profile(
            mode,
            _said(plain_destination(mode, settings.label_rules)),
            None,
            closed,
            behind_proxies=bool(settings.trusted_proxies),
        )
        for mode, closed in kinds
    )


_Families = tuple[tuple[str, Family], ...]
"""Families by name, in the order of their lines."""


def _said(destination: Destination) -> _Families:
    """Return those that labels say something of, which tell profiles apart."""
    return tuple((name, family) for name, family in destination.said if name not in _IN_MAPS)


def _all(said: _Families) -> _Families:
    known = dict(said)
    families = ((name, known.get(name, UNSAID[model])) for name, model in DESTINATION_FAMILIES.items())
    return tuple((name, family) for name, family in families if name not in _IN_MAPS)


@lru_cache(maxsize=4096)
def _profile(
    mode: str,
    said: _Families,
    users: Section | None,
    closed: bool,  # noqa: FBT001 - cached
    *,
    identity: ServerIdentity | None = None,
    cookie: str | None = None,
    behind_proxies: bool = False,
    template: tuple[str, ...] = (),
) -> Profile:
    families = _all(said)
    table = _table_section(dict(families)["limits"])
    context = {
        "mode": mode,
        "closed": closed,
        "users": users.name if users else None,
        "table": table.name if table else None,
        "cookie": cookie,
        "behind_proxies": behind_proxies,
        "template": template,
        "identity": identity,
        "authority": authority_file(identity) if identity else None,
    }
    asked = tuple(context.items())
    slots = {slot: _slot(slot, families, asked) for slot in SLOTS}
    is_plain = (slots["request"], slots["extra"]) == _plain_rules(mode, context["users"])
    lines = environment().get_template("profile.cfg.j2").render(context, slots=slots, plain=is_plain)
    options = f"{_server_options(families, asked)} {_identity_options(identity, context['authority'])}".strip()
    name = f"{mode}-{digest(lines + options)}"
    section = Section(SectionKind.PROFILE, name, f"defaults {name} from base\n{lines}")
    return Profile(section, tuple(filter(None, (users, remembering_section() if users else None, table))), options)


@lru_cache
def _plain_rules(mode: str, users: str | None) -> tuple[str, str]:
    """Return the rules of a backend that asks for nothing but what options say: requests', and those at the end."""
    families, context = _all(()), (("mode", mode), ("users", users), ("template", ()))
    return _slot("request", families, context), _slot("extra", families, context)


_Context = tuple[tuple[str, Hashable], ...]
"""What a backend is besides its families, as items of a dictionary."""


def _slot(slot: str, families: _Families, context: _Context) -> str:
    return "".join(_fillings(slot, families, context))


def _fillings(slot: str, families: _Families, context: _Context) -> Iterator[str]:
    return (_filling(slot, name, family, context) for name, family in families if _macro(name, slot))


@lru_cache(maxsize=4096)
def _filling(slot: str, name: str, family: Family, context: _Context) -> str:
    """Return what a family fills a slot with: often the same as for many others."""
    return str(_macro(name, slot)(family, dict(context)))


def _server_options(families: _Families, context: _Context) -> str:
    """Return what follows a server's address; what several families ask for is there once."""
    fillings = (" ".join(filling.split()) for filling in _fillings("server", families, context))
    return " ".join(dict.fromkeys(filter(None, fillings)))


@lru_cache
def _identity_options(identity: ServerIdentity | None, authority: str | None) -> str:
    text = environment().get_template("identity.cfg.j2").render(identity=identity, authority=authority)
    return " ".join(text.split())


@cache
def _macro(family: str, slot: str) -> Any:  # noqa: ANN401 - Jinja's macros are untyped
    """Return the macro of a family's template for a slot, None if it never fills it."""
    return getattr(_macros(family), slot, None)


@lru_cache
def _macros(family: str) -> ModuleType | Any:  # noqa: ANN401 - Jinja's template modules are untyped
    return environment().get_template(f"labels/{family}.cfg.j2").module


def _table_section(limits: Family) -> Section | None:
    if not getattr(limits, "rate_limit", None):
        return None
    lines = str(_macros("limits").table(limits))
    name = table_name(lines)
    return Section(SectionKind.TABLE, name, f"backend {name} from base\n{lines}")
