"""`render`: from the desired state to the files of one configuration, with the owner of every line."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from models import passthrough, routing, traffic
from models.certificates import DEFAULT_FILE, CertificateList
from models.machine import Machine
from models.passthrough import PassthroughPort
from models.proxy import Backend, Desired, TcpFrontend
from models.routing import RoutingTable
from models.settings import ProxySettings
from render import records
from render.environment import environment
from render.files import CRT_LIST_FILE, Rendered, RenderedBackend, RenderedCertificate, RenderedServer
from render.logins import credentials_of, logins_of
from render.noted import lines_noted_in
from render.profiles import Profile, authority_file, plain_profiles, profile_of
from render.sections import Section, SectionKind, tcp_frontend_name

_SPARE_DEPTH = 3
"""Domain patterns that one host may lead to before the lookup rules have to grow, which takes a reload."""
_RULE = re.compile(
    r"    (?:use_backend %\[|(?:http-request|tcp-request content) set-var\(txn\.passed\) )str\(([^)]+)\)"
)
"""A rule that chooses one service's backend, among lines that are for all."""

_HOPS = 5
"""How many addresses of ``X-Forwarded-For`` are looked at, from its end, to find one that is no trusted proxy's."""


def render(desired: Desired, settings: ProxySettings, machine: Machine) -> Rendered:
    """Render the whole configuration; the same input gives the same bytes on every machine."""
    profiles = [(backend, profile_of(backend, settings)) for backend in desired.backends]
    sections = _sections(desired, settings, machine, profiles)
    backends = {backend.name: _rendered_backend(backend, profile) for backend, profile in profiles}
    certificates = _certificates(desired.certificates, settings)
    blocks = [(section.text, section.owners) for section in sections]
    blocks += [(_backend_text(backend.name, backends[backend.name]), backend.services) for backend, _ in profiles]
    noted = lines_noted_in(sections[0].text)
    owners = _owners(blocks, {backend.name: backend.services for backend in desired.backends}) | noted.owners
    return Rendered(
        config="\n".join(text for text, _ in blocks),
        maps={
            records.DOMAINS: desired.routing.domains,
            records.WILDCARDS: desired.routing.wildcards,
            records.REDIRECTS: desired.redirects,
            records.LOGINS: logins_of(desired.backends),
            records.CREDENTIALS: credentials_of(desired.backends),
            records.SPLITS: desired.routing.splits,
            records.EXACTS: desired.routing.exacts,
            records.PREFIXES: desired.routing.prefixes,
            records.PASSED_NAMES: desired.passthrough.names,
            records.PASSED_ENDINGS: desired.passthrough.endings,
            records.PASSED_REST: desired.passthrough.rest,
            records.BACKENDS: {name: backend.record for name, backend in backends.items()},
            records.CERTIFICATES: {
                file: records.certificate_record(fingerprint=each.fingerprint, filters=each.filters)
                for file, each in certificates.items()
            },
            records.LOADED: {section.key: section.digest for section in sections},
        },
        owners={line: names for line, names in owners.items() if line not in noted.variables},
        variables=noted.variables,
        backends=backends,
        certificates=certificates,
        authorities={
            authority_file(backend.identity): backend.identity.authority
            for backend in desired.backends
            if backend.identity is not None
        },
    )


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


def _sections(
    desired: Desired, settings: ProxySettings, machine: Machine, profiles: Sequence[tuple[Backend, Profile]]
) -> list[Section]:
    """Return the sections in the order of the file, each once: what is referred to stands before what refers to it."""
    owners: dict[str, set[str]] = {}
    used: dict[str, Section] = {}
    every = [
        *((None, profile) for profile in plain_profiles(settings)),
        *((service, profile) for b, profile in profiles for service in b.services),
    ]
    for service, profile in every:
        for section in (*profile.needs, profile.section):
            used[section.name] = section
            owners.setdefault(section.name, set()).update({service} - {None} if service else ())
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
            depth=max(_SPARE_DEPTH, desired.routing.depth),
            any_domain=routing.ANY_DOMAIN,
            between=routing.BETWEEN_PATTERNS,
            acme_tier=routing.ACME_TIER,
            routing=desired.routing,
            redirects=desired.redirects,
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


def _owners(
    blocks: Iterable[tuple[str, tuple[str, ...]]], by_backend: Mapping[str, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    owners: dict[int, tuple[str, ...]] = {}
    line = 1
    for text, names in blocks:
        count = text.count("\n") + 1  # the blocks are joined by one more line break
        if names:
            owners.update(dict.fromkeys(range(line, line + count), names))
        else:
            owners.update(_rule_owners(line, text, by_backend))
        line += count
    return owners


def _rule_owners(
    first: int, text: str, by_backend: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Return whose the rules are in a block that is for all."""
    for number, line in enumerate(text.splitlines(), first):
        match = _RULE.match(line)
        if match and match[1] in by_backend:
            yield number, by_backend[match[1]]
