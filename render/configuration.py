"""`render`: from the desired state to the files of one configuration, with the owner of every line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from models import passthrough, routing, traffic
from models.certificates import DEFAULT_FILE, CertificateList
from models.machine import Machine
from models.observed import ObservedServer
from models.passthrough import PassthroughPort
from models.proxy import Backend, Desired, TcpFrontend
from models.settings import ProxySettings
from models.settings.ports import HOPS
from models.tables import Derived, Gathered, Latest, Table
from render import access_log, records
from render.environment import environment
from render.files import (
    CRT_LIST_FILE,
    Rendered,
    RenderedBackend,
    RenderedCertificate,
    RenderedServer,
    map_line,
    map_text,
)
from render.logins import credentials_of
from render.options import members_of, record_of
from render.profiles import Profile, authority_file, plain_profiles, profile_of
from render.search import everything_else, search_of
from render.sections import Section, SectionKind, successor_name, tcp_frontend_name
from render.texts import Text

_NO_PATTERN = "-"
"""Stands for domains in general, and is the pattern of none: no key begins with it."""


@dataclass(frozen=True, slots=True)
class _Backend:
    """A backend in its parts and as text."""

    backend: Backend
    profile: Profile
    options: str
    rendered: RenderedBackend

    @property
    def sections(self) -> Mapping[str, Section]:
        """The sections that it refers to, by name."""
        return _sections_of(self.profile)


class Renderer:
    """Renders one configuration after the other; what is about a backend that is the same is not rendered again."""

    def __init__(self, settings: ProxySettings, machine: Machine) -> None:
        self._settings = settings
        self._machine = machine
        plain = [_sections_of(profile) for profile in plain_profiles(settings)]
        self._plain = {name: section for sections in plain for name, section in sections.items()}
        self._made: Derived[str, _Backend] = Derived(partial(_backend, settings=settings))
        self._backends: Derived[str, RenderedBackend] = Derived(lambda made: made.rendered)
        self._running: Derived[str, Mapping[str, ObservedServer]] = Derived(lambda made: made.rendered.observed)
        self._used: Gathered[str, Section, str, Section] = Gathered(lambda made: made.sections)
        self._sections = Latest(self._shared_sections)
        self._entries = {file: _entries(contribution) for file, contribution in _CONTRIBUTIONS.items()}
        self._authorities: Gathered[str, str, str, str] = Gathered(_authority)
        self._text_of_backends: Text[RenderedBackend] = Text(lambda _, backend: f"\n{backend.text}")
        self._texts_of_maps: dict[str, Text[str]] = {}
        self._map_files: Derived[str, bytes] = Derived(self._map_file)
        self._routes: Derived[str, str] = Derived(access_log.routes_in_a_word)
        self._domains: Derived[str, str] = Derived(_domain)
        self._prefixes: Derived[str, str] = Derived(lambda claimed, otherwise: claimed or otherwise)
        self._last = Latest(self._render)

    def __call__(self, desired: Desired) -> Rendered:
        """Render the whole configuration; the same input gives the same bytes on every machine."""
        return self._last(desired)

    def _render(self, desired: Desired) -> Rendered:
        made = self._made(desired.backends_by_name)
        backends = self._backends(made)
        core, *ports = _own_sections(desired, self._settings, self._machine)
        sections = (core, *self._sections(self._used(made)), *ports)
        certificates = _certificates(desired.certificates, self._settings)
        maps = {
            records.DOMAINS: self._domains(*_domains(desired)),
            records.PREFIXES: self._prefixes(desired.routing.prefixes, everything_else(desired.routing)),
            **_maps(desired, sections, certificates),
            records.ROUTES: self._routes(*self._told_routes(desired)),
            **{file: entries(made) for file, entries in self._entries.items()},
        }
        return Rendered(
            config="\n".join(each.text for each in sections) + self._text_of_backends(backends),
            maps=maps,
            map_files=self._map_files({file: (file, entries) for file, entries in maps.items()}),
            sections=sections,
            backends=backends,
            running=self._running(made),
            certificates=certificates,
            authorities=self._authorities(made),
        )

    def _told_routes(self, desired: Desired) -> tuple[Mapping[str, tuple[str, ...]], ...]:
        """Return what each backend answers, in words, if that is logged with each request."""
        if self._settings.request_log != "json":
            return ({}, {}, {})
        ports = {frontend.backend: (f"tcp:{frontend.port}",) for frontend in desired.tcp_frontends}
        return (desired.routing.routes, desired.passthrough.routes, ports)

    def _map_file(self, named: tuple[str, Mapping[str, str]]) -> bytes:
        file, entries = named
        if not isinstance(entries, Table):
            return map_text(entries).encode()
        return self._texts_of_maps.setdefault(file, Text(map_line))(entries).encode()

    def _shared_sections(self, used: Mapping[str, Section]) -> tuple[Section, ...]:
        """Return the sections that backends refer to, each once, and before those that refer to it."""
        return tuple(
            sorted(
                {**self._plain, **used}.values(), key=lambda section: (section.kind != SectionKind.USERS, section.name)
            )
        )


def render(desired: Desired, settings: ProxySettings, machine: Machine) -> Rendered:
    """Render one configuration; see `Renderer`."""
    return Renderer(settings, machine)(desired)


def _backend(backend: Backend, settings: ProxySettings) -> _Backend:
    profile = profile_of(backend, settings)
    return _Backend(backend, profile, record_of(backend), _rendered_backend(backend, profile))


def _sections_of(profile: Profile) -> dict[str, Section]:
    return {section.name: section for section in (*profile.needs, profile.section)}


_CONTRIBUTIONS: Mapping[str, Callable[[_Backend], Mapping[str, str]]] = {
    records.BACKENDS: lambda made: {made.backend.name: made.rendered.record},
    records.OPTIONS: lambda made: {made.backend.name: made.options} if made.options else {},
    records.MEMBERS: lambda made: members_of((made.backend,)) if made.options else {},
    records.CREDENTIALS: lambda made: credentials_of((made.backend,)),
}
"""What a backend contributes to the entries of map files; what several contribute to one key is the same."""


def _entries(contribution: Callable[[_Backend], Mapping[str, str]]) -> Gathered[str, str, str, str]:
    return Gathered(contribution)


def _authority(made: _Backend) -> Mapping[str, str]:
    identity = made.backend.identity
    return {} if identity is None else {authority_file(identity): identity.authority}


def _maps(
    desired: Desired, sections: Sequence[Section], certificates: Mapping[str, RenderedCertificate]
) -> dict[str, Mapping[str, str]]:
    """Return the entries of the map files that are about more than single backends."""
    return {
        records.WILDCARDS: desired.routing.wildcards,
        records.SPLITS: desired.routing.splits,
        records.EXACTS: desired.routing.exacts,
        records.PASSED_NAMES: desired.passthrough.names,
        records.PASSED_ENDINGS: desired.passthrough.endings,
        records.PASSED_REST: desired.passthrough.rest,
        records.CERTIFICATES: {
            file: records.certificate_record(fingerprint=each.fingerprint, filters=each.filters)
            for file, each in certificates.items()
        },
        records.LOADED: {section.key: section.digest for section in sections},
    }


def _certificates(certificates: CertificateList, settings: ProxySettings) -> dict[str, RenderedCertificate]:
    """Return the files of all certificates in the order of the list; none if no port speaks TLS."""
    if certificates.default is None or not any(bind.ssl for bind in settings.binds):
        return {}
    default = certificates.default
    files = {DEFAULT_FILE: RenderedCertificate(default.pem, default.fingerprint)}
    return files | {
        entry.certificate.file: RenderedCertificate(entry.certificate.pem, entry.certificate.fingerprint, entry.filters)
        for entry in certificates.listed
    }


def _own_sections(desired: Desired, settings: ProxySettings, machine: Machine) -> Iterator[Section]:
    """Give the sections that are about more than single backends, the core first."""
    yield Section(SectionKind.CORE, "core", _core_text(desired, settings, machine))
    yield from (_tcp_section(frontend, settings) for frontend in desired.tcp_frontends)
    yield from (_passthrough_section(port, desired, settings, machine) for port in desired.passthrough.ports)


def _core_text(desired: Desired, settings: ProxySettings, machine: Machine) -> str:
    return (
        environment()
        .get_template("core.cfg.j2")
        .render(
            settings=settings,
            machine=machine,
            records=records,
            hops=HOPS,
            any_domain=routing.ANY_DOMAIN,
            search=search_of(desired, settings),
            routing=desired.routing,
            own_routes=desired.own_routes,
            slots=traffic.SLOTS,
            split_mark=traffic.NAME_MARK,
            passthrough=desired.passthrough,
            passed_ports={port.port for port in desired.passthrough.ports},
            handover=passthrough.handover,
            successor_name=successor_name,
            handed_over=passthrough.HANDOVER,
            stamp=desired.certificates.stamp,
            crt_list=_crt_list(desired, settings),
            milliseconds=lambda seconds: f"{round(seconds * 1000)}ms",
        )
    )


def _domains(desired: Desired) -> tuple[Mapping[str, str], ...]:
    """Return the arguments of `_domain` by domain; where any domain counts, there is a pattern of none for all."""
    table = desired.routing
    counts = bool(table.domains or table.wildcards or desired.redirects)
    return (desired.redirects, table.domains, {routing.ANY_DOMAIN: _NO_PATTERN} if counts else {})


def _domain(target: str | None, *patterns: str | None) -> str:
    """Return what a domain leads to: the domain that its requests are sent to, or else a pattern."""
    return f">{target}" if target else next(filter(None, patterns))


def _crt_list(desired: Desired, settings: ProxySettings) -> str | None:
    """Return the name of the list of certificates; None if there are none, and so no TLS."""
    if settings.crt_list_path is not None:
        return str(settings.crt_list_path)
    return None if desired.certificates.default is None else CRT_LIST_FILE


def _tcp_section(frontend: TcpFrontend, settings: ProxySettings) -> Section:
    text = environment().get_template("tcp_frontend.cfg.j2").render(frontend=frontend, settings=settings)
    return Section(SectionKind.FRONTEND, tcp_frontend_name(frontend.port), text, (frontend.service,))


def _passthrough_section(port: PassthroughPort, desired: Desired, settings: ProxySettings, machine: Machine) -> Section:
    """Return the frontend of a port, named as DFP names it; it takes the place of a bind of the HTTP frontend."""
    text = (
        environment()
        .get_template("passthrough.cfg.j2")
        .render(
            port=port,
            records=records,
            bind=next((bind for bind in settings.binds if bind.port == port.port), None),
            logged=settings.request_log != "off",
            maxconn=max(1, machine.maxconn // (2 * max(1, len(desired.passthrough.shared)))),
            handover=passthrough.handover(port.port),
        )
    )
    return Section(SectionKind.FRONTEND, f"service_{port.port}", text)


def _rendered_backend(backend: Backend, profile: Profile) -> RenderedBackend:
    servers = {
        server.name: RenderedServer(server.address, server.port, profile.server_options) for server in backend.servers
    }
    return RenderedBackend(
        mode=backend.mode,
        profile=profile.section.name,
        record=records.backend_record(service=backend.service, profile=profile.section.name),
        servers=servers,
        owner=backend.service,
        services=backend.services,
        sections=tuple(_sections_of(profile)),
        text=_backend_text(backend.name, profile.section.name, servers),
    )


def _backend_text(name: str, profile: str, servers: Mapping[str, RenderedServer]) -> str:
    lines = [f"backend {name} from {profile}"]
    lines += [
        f"    server {server} {address_text(line.address)}:{line.port} {line.options}".rstrip()
        for server, line in servers.items()
    ]
    return "\n".join(lines) + "\n"


def address_text(address: str) -> str:
    """Return an address as HAProxy wants it before a port: IPv6 says its family, so that the colons are clear."""
    return f"ipv6@{address}" if ":" in address else address
