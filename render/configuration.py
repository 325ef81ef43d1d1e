"""`render`: from the desired state to the files of one configuration, with the owner of every line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from models import passthrough, routing, traffic
from models.certificates import DEFAULT_FILE, CertificateList
from models.machine import Machine
from models.memo import Memo
from models.passthrough import PassthroughPort
from models.proxy import Backend, Desired, TcpFrontend
from models.routing import RoutingTable
from models.settings import ProxySettings
from render import records
from render.environment import environment
from render.files import CRT_LIST_FILE, Rendered, RenderedBackend, RenderedCertificate, RenderedServer
from render.logins import credentials_of
from render.options import members_of, record_of
from render.ownership import Block
from render.profiles import Profile, authority_file, plain_profiles, profile_of
from render.sections import Section, SectionKind, tcp_frontend_name

_SPARE_WILDCARDS = 2
"""Wildcards that one host may match before the lookup rules have to grow, which takes a reload."""

_HOPS = 5
"""How many addresses of ``X-Forwarded-For`` are looked at, from its end, to find one that is no trusted proxy's."""


@dataclass(frozen=True, slots=True)
class _Backend:
    """A backend in its parts and as text."""

    backend: Backend
    profile: Profile
    options: str
    rendered: RenderedBackend
    block: Block


class Renderer:
    """Renders one configuration after the other; a backend that is the same is not rendered again."""

    def __init__(self, settings: ProxySettings, machine: Machine) -> None:
        self._settings = settings
        self._machine = machine
        self._backends = Memo(partial(_backend, settings=settings))
        self._last: tuple[Desired, Rendered] | None = None

    def __call__(self, desired: Desired) -> Rendered:
        """Render the whole configuration; the same input gives the same bytes on every machine."""
        if self._last is None or self._last[0] is not desired:
            self._last = (desired, self._render(desired))
        return self._last[1]

    def _render(self, desired: Desired) -> Rendered:
        made = [self._backends(backend.name, backend) for backend in desired.backends]
        self._backends.forget_unused()
        sections = _sections(desired, self._settings, self._machine, made)
        certificates = _certificates(desired.certificates, self._settings)
        blocks = (*(Block(section.text, section.owners) for section in sections), *(each.block for each in made))
        return Rendered(
            config="\n".join(block.text for block in blocks),
            maps=_maps(desired, sections, made, certificates),
            blocks=blocks,
            backends={each.backend.name: each.rendered for each in made},
            certificates=certificates,
            authorities={
                authority_file(each.backend.identity): each.backend.identity.authority
                for each in made
                if each.backend.identity is not None
            },
        )


def render(desired: Desired, settings: ProxySettings, machine: Machine) -> Rendered:
    """Render one configuration; see `Renderer`."""
    return Renderer(settings, machine)(desired)


def _backend(backend: Backend, settings: ProxySettings) -> _Backend:
    profile = profile_of(backend, settings)
    rendered = _rendered_backend(backend, profile)
    block = Block(_backend_text(backend.name, rendered), (backend.service,))
    return _Backend(backend, profile, record_of(backend), rendered, block)


def _maps(
    desired: Desired,
    sections: Sequence[Section],
    made: Sequence[_Backend],
    certificates: Mapping[str, RenderedCertificate],
) -> dict[str, Mapping[str, str]]:
    """Return the entries of every map file."""
    guarded = [each.backend for each in made if each.backend.user_list]
    return {
        records.DOMAINS: _domains(desired),
        records.WILDCARDS: desired.routing.wildcards,
        records.CREDENTIALS: credentials_of(guarded),
        records.OPTIONS: {each.backend.name: each.options for each in made if each.options},
        records.MEMBERS: members_of(each.backend for each in made if each.options),
        records.SPLITS: desired.routing.splits,
        records.EXACTS: desired.routing.exacts,
        records.PREFIXES: desired.routing.prefixes,
        records.PASSED_NAMES: desired.passthrough.names,
        records.PASSED_ENDINGS: desired.passthrough.endings,
        records.PASSED_REST: desired.passthrough.rest,
        records.BACKENDS: {each.backend.name: each.rendered.record for each in made},
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


def _sections(desired: Desired, settings: ProxySettings, machine: Machine, made: Sequence[_Backend]) -> list[Section]:
    """Return the sections in the order of the file, each once: what is referred to stands before what refers to it."""
    users: dict[int, tuple[Profile, list[str]]] = {id(plain): (plain, []) for plain in plain_profiles(settings)}
    for each in made:
        users.setdefault(id(each.profile), (each.profile, []))[1].append(each.backend.service)
    owners: dict[str, set[str]] = {}
    used: dict[str, Section] = {}
    for profile, services in users.values():
        for section in (*profile.needs, profile.section):
            used[section.name] = section
            owners.setdefault(section.name, set()).update(services)
    shared = [
        Section(section.kind, section.name, section.text, tuple(sorted(owners[section.name])))
        for section in sorted(used.values(), key=lambda section: (section.kind != SectionKind.USERS, section.name))
    ]
    core = Section(SectionKind.CORE, "core", _core_text(desired, settings, machine))
    by_name = (_passthrough_section(port, desired, settings, machine) for port in desired.passthrough.ports)
    return [core, *shared, *(_tcp_section(frontend, settings) for frontend in desired.tcp_frontends), *by_name]


def _core_text(desired: Desired, settings: ProxySettings, machine: Machine) -> str:
    return (
        environment()
        .get_template("core.cfg.j2")
        .render(
            settings=settings,
            machine=machine,
            records=records,
            hops=_HOPS,
            any_domain=routing.ANY_DOMAIN,
            patterns=_patterns(desired.routing),
            acme_tier=routing.ACME_TIER,
            routing=desired.routing,
            own_routes=desired.own_routes,
            slots=traffic.SLOTS,
            split_mark=traffic.NAME_MARK,
            passthrough=desired.passthrough,
            passed_ports={port.port for port in desired.passthrough.ports},
            handover=passthrough.handover,
            handed_over=passthrough.HANDOVER,
            lookups=_lookups(desired.routing),
            stamp=desired.certificates.stamp,
            crt_list=_crt_list(desired, settings),
            milliseconds=lambda seconds: f"{round(seconds * 1000)}ms",
        )
    )


def _domains(desired: Desired) -> Mapping[str, str]:
    """Return what domains lead to: patterns that match them, or another domain; that for any says that hosts count."""
    table = desired.routing
    redirects = {domain: f">{target}" for domain, target in desired.redirects.items()}
    counts = bool(table.domains or table.wildcards or redirects)
    return {**({routing.ANY_DOMAIN: routing.ANY_DOMAIN} if counts else {}), **table.domains, **redirects}


def _patterns(table: RoutingTable) -> tuple[str, ...]:
    """Return samples of the domain patterns that a request may be for: most specific first, at last that for all."""
    between = routing.BETWEEN_PATTERNS
    by_name = f"var(txn.host),map_str({records.DOMAINS}),field(1,{between})"
    by_ending = f"var(txn.host),map_end({records.WILDCARDS})"
    wildcards = range(1, 1 + max(_SPARE_WILDCARDS, table.nested_wildcards))
    return (by_name, *(f"{by_ending},field({n},{between})" for n in wildcards), f"str({routing.ANY_DOMAIN})")


def _lookups(table: RoutingTable) -> tuple[str, ...]:
    """Return the converters that look up a path; whole paths are only looked up if any are claimed."""
    by_prefix = f"map_beg({records.PREFIXES})"
    return (f"map_str({records.EXACTS})", by_prefix) if table.exacts else (by_prefix,)


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
            debug=settings.debug,
            maxconn=max(1, machine.maxconn // (2 * max(1, len(desired.passthrough.shared)))),
            handover=passthrough.handover(port.port),
        )
    )
    return Section(SectionKind.FRONTEND, f"service_{port.port}", text)


def _rendered_backend(backend: Backend, profile: Profile) -> RenderedBackend:
    return RenderedBackend(
        mode=backend.mode,
        profile=profile.section.name,
        record=records.backend_record(service=backend.service, profile=profile.section.name),
        servers={
            server.name: RenderedServer(server.address, server.port, profile.server_options)
            for server in backend.servers
        },
        services=backend.services,
    )


def _backend_text(name: str, backend: RenderedBackend) -> str:
    lines = [f"backend {name} from {backend.profile}"]
    lines += [
        f"    server {server} {address_text(line.address)}:{line.port} {line.options}".rstrip()
        for server, line in backend.servers.items()
    ]
    return "\n".join(lines) + "\n"


def address_text(address: str) -> str:
    """Return an address as HAProxy wants it before a port: IPv6 says its family, so that the colons are clear."""
    return f"ipv6@{address}" if ":" in address else address
