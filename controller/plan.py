"""From what is observed and what is rendered to a `Plan`. Pure: deciding sends nothing.

==============================================  ==========================================================
observed against rendered                       plan
==============================================  ==========================================================
no HAProxy                                      start
core, a TCP or an SNI frontend differs          reload (settings, frontend)
a profile or user list is not loaded            reload (profile)
a backend is missing, HAProxy 3.4               add it with its servers, publish it, then its record and routes
a backend is missing, older HAProxy             reload (backend)
a backend has another profile                   reload (backend)
a server is missing, has another address        add it, move it
a certificate is missing, or another one        add it, rotate it
one is too large to be sent, or for other names reload (certificate)
map entries differ                              set what is wanted, then delete what is not, most outward first
a certificate is not wanted                     remove it, after nothing else is to be changed
a server or backend is not wanted               retire it, after nothing leads to it any more
nothing of that                                 nothing: the second reconcile of a world is always here
==============================================  ==========================================================
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from controller.changes import (
    Applied,
    BackendAdded,
    BackendPublished,
    BackendRetired,
    CertificateAdded,
    CertificateRemoved,
    CertificateRotated,
    Change,
    MapChanged,
    MapReplaced,
    Outcome,
    Plan,
    ReloadReason,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from models.observed import Capability, Observed, ObservedServer
from models.tables import Table, changed_keys
from render import records
from render.files import Rendered, RenderedBackend
from render.sections import SectionKind, is_own

_REASON_OF_KIND: Mapping[str, ReloadReason] = {
    SectionKind.CORE: ReloadReason.SETTINGS,
    SectionKind.FRONTEND: ReloadReason.FRONTEND,
    SectionKind.USERS: ReloadReason.PROFILE,
    SectionKind.TABLE: ReloadReason.PROFILE,
    SectionKind.PROFILE: ReloadReason.PROFILE,
}
CERTIFICATE_LIMIT = 15_000
"""Bytes of a certificate with its chain and key that one runtime command can hold (``tune.bufsize`` is 16,384)."""

_UNUSED_IS_HARMLESS: frozenset[str] = frozenset({SectionKind.USERS, SectionKind.TABLE, SectionKind.PROFILE})


def make_plan(observed: Observed, rendered: Rendered) -> Plan:
    """Decide how HAProxy gets from what it runs to what is rendered."""
    if not observed.running:
        return Plan(start=True)
    reasons = {*_section_reasons(observed, rendered), *_backend_reasons(observed, rendered)}
    reasons |= set(_certificate_reasons(observed, rendered))
    if reasons:
        return Plan(reload_reasons=tuple(reason for reason in ReloadReason if reason in reasons))
    return Plan(
        changes=(
            *_certificate_changes(observed, rendered),
            *_backend_changes(observed, rendered),
            *_map_changes(observed, rendered),
            *_certificate_removals(observed, rendered),
        ),
        retirements=tuple(_retirements(observed, rendered)),
    )


def _section_reasons(observed: Observed, rendered: Rendered) -> Iterator[ReloadReason]:
    loaded, wanted = observed.maps.get(records.LOADED, {}), rendered.maps[records.LOADED]
    for key in loaded.keys() | wanted.keys():
        kind = key.partition(":")[0]
        if key not in wanted and kind in _UNUSED_IS_HARMLESS:
            continue
        if loaded.get(key) != wanted.get(key):
            yield _REASON_OF_KIND.get(kind, ReloadReason.SETTINGS)


def _backend_reasons(observed: Observed, rendered: Rendered) -> Iterator[ReloadReason]:
    running, wanted = observed.maps.get(records.BACKENDS, {}), rendered.maps[records.BACKENDS]
    dynamic = Capability.DYNAMIC_BACKENDS in observed.capabilities
    for name in changed_keys(running, wanted) | changed_keys(observed.backends, rendered.running):
        backend = rendered.backends.get(name)
        if backend is None:
            continue
        if name not in observed.backends:
            known = dynamic
        else:
            record = running.get(name, "")
            known = record == backend.record or _profile(record) == backend.profile
        if not known:
            yield ReloadReason.BACKEND


def _certificate_reasons(observed: Observed, rendered: Rendered) -> Iterator[ReloadReason]:
    running, wanted = observed.maps.get(records.CERTIFICATES, {}), rendered.maps[records.CERTIFICATES]
    for file in changed_keys(running, wanted) & wanted.keys():
        certificate, known = rendered.certificates[file], running.get(file)
        is_listed_otherwise = known is not None and records.filters_of(known) != records.filters_of(wanted[file])
        size = max(len(certificate.pem), len(certificate.line(file)))
        is_too_large = known != wanted[file] and size > CERTIFICATE_LIMIT
        if is_listed_otherwise or is_too_large:
            yield ReloadReason.CERTIFICATE


def _certificate_changes(observed: Observed, rendered: Rendered) -> Iterator[Change]:
    running, wanted = observed.maps.get(records.CERTIFICATES, {}), rendered.maps[records.CERTIFICATES]
    entries = {file: record for file, record in wanted.items() if running.get(file) != record}
    for file in entries:
        certificate = rendered.certificates[file]
        if file in running:
            yield CertificateRotated(file, certificate.pem)
        else:
            yield CertificateAdded(file, certificate.pem, certificate.filters)
    if entries:
        yield MapChanged(records.CERTIFICATES, entries)


def _certificate_removals(observed: Observed, rendered: Rendered) -> Iterator[Change]:
    running, wanted = observed.maps.get(records.CERTIFICATES, {}), rendered.maps[records.CERTIFICATES]
    removed = tuple(file for file in running if file not in wanted)
    yield from map(CertificateRemoved, removed)
    if removed:
        yield MapChanged(records.CERTIFICATES, {}, removed)


def _profile(record: str) -> str:
    return record.rpartition("|")[2]


def _backend_changes(observed: Observed, rendered: Rendered) -> Iterator[Change]:
    changed = [name for name in sorted(changed_keys(observed.backends, rendered.running)) if name in rendered.backends]
    for name in changed:
        backend = rendered.backends[name]
        if name not in observed.backends:
            yield BackendAdded(name, backend.profile, backend.mode)
            yield from _server_changes(name, {}, backend)
            yield BackendPublished(name)
    for name in changed:
        if name in observed.backends:
            yield from _server_changes(name, observed.backends[name], rendered.backends[name])


def _server_changes(name: str, running: Mapping[str, ObservedServer], backend: RenderedBackend) -> Iterator[Change]:
    for server, wanted in backend.observed.items():
        known = running.get(server)
        if known is None:
            yield ServerAdded(name, server, wanted.address, wanted.port, backend.servers[server].options)
        elif known != wanted:
            options = "" if known.ready else backend.servers[server].options
            yield ServerMoved(name, server, wanted.address, wanted.port, options)


def _map_changes(observed: Observed, rendered: Rendered) -> Iterator[Change]:
    """Add what is wanted, most inward map first, then take away what is not, in reverse: no lookup meets a gap."""
    steps = []
    for file in records.MAKE_ORDER:
        running, wanted = _parts_to_change(file, observed.maps.get(file, {}), rendered.maps[file])
        if running or wanted:
            steps.append((file, running, records.with_additions(file, running, wanted), wanted))
    for file, running, between, _ in steps:
        yield from _map_step(file, running, between)
    for file, _, between, wanted in reversed(steps):
        yield from _map_step(file, between, wanted)


def _parts_to_change(
    file: str, running: Mapping[str, str], wanted: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the entries of two maps that differ; all of them where their order counts, if any differ."""
    if file in records.ORDERED_MAPS:
        return ({}, {}) if [*running.items()] == [*wanted.items()] else (running, wanted)
    changed = sorted(changed_keys(running, wanted))
    return _part(running, changed), _part(wanted, changed)


def _part(entries: Mapping[str, str], keys: Iterable[str]) -> Mapping[str, str]:
    return {key: entries[key] for key in keys if key in entries}


def _map_step(file: str, running: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Change]:
    if file in records.ORDERED_MAPS:
        if [*running.items()] != [*wanted.items()]:
            yield MapReplaced(file, wanted)
        return
    entries = {key: value for key, value in wanted.items() if running.get(key) != value}
    removed = tuple(key for key in running if key not in wanted)
    if entries or removed:
        yield MapChanged(file, entries, removed)


def _retirements(observed: Observed, rendered: Rendered) -> Iterator[Change]:
    dynamic = Capability.DYNAMIC_BACKENDS in observed.capabilities
    for name in sorted(changed_keys(observed.backends, rendered.running)):
        running, backend = observed.backends.get(name, {}), rendered.backends.get(name)
        if backend is not None:
            yield from (ServerRetired(name, server) for server in running if server not in backend.servers)
        elif not is_own(name):
            yield from (ServerRetired(name, server) for server in running)
            if dynamic:
                yield BackendRetired(name)


def expected_after(observed: Observed, rendered: Rendered, applied: Applied) -> Observed | None:
    """Return what HAProxy runs after a plan was applied, or None where only asking it can tell.

    It saves asking about 5,000 services after each change; a slow resync asks all the same.
    """
    if applied.pending or applied.outcome not in (Outcome.NOOP, Outcome.RUNTIME):
        return None
    backends = rendered.running
    if Capability.DYNAMIC_BACKENDS not in observed.capabilities:
        stay = changed_keys(observed.backends, rendered.running) - rendered.running.keys()
        backends = Table({**{name: {} for name in stay}, **backends}) if stay else backends
    maps = {**rendered.maps, records.LOADED: observed.maps.get(records.LOADED, {})}
    return replace(observed, maps=maps, backends=backends)
