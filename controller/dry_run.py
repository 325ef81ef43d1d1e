"""What a proxy would make of a world, worked out beside it: nothing is run, changed or kept."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from controller.asked import Word
from controller.by_settings import certificates_of, source_of
from controller.declarations import FileKeeper
from controller.desired import build_desired
from controller.endpoints import Needs, Surroundings
from controller.environment import service_variables
from controller.errors import PermanentError
from controller.haproxy.binary import find_haproxy, haproxy_version
from controller.haproxy.generations import Generations
from controller.haproxy.observing import observe
from controller.judging import judge
from controller.machine import machine_at
from controller.own_apis import ApiNames
from controller.places import (
    declared_in,
    haproxy_in,
    internal_socket_in,
    last_good_in,
    runtime_socket_in,
    snapshot_in,
)
from controller.remembered import Remembered, saved_in
from controller.sources.saved import SavedSnapshot
from controller.surroundings import Around, read_surroundings
from controller.template_folder import TemplateFolder
from models.certificates import Certificate, CertificateFiles, CertificateSource
from models.conditions import ConditionType
from models.declared import joined, read_variables
from models.observed import Observed
from models.proxy import Desired
from models.settings import ProxySettings
from models.snapshot import EPOCH, Snapshot, SwarmService
from render.configuration import render
from render.files import Rendered

SOMEWHERE = "192.0.2.1"
"""Stands for the addresses of services that are not running here (RFC 5737)."""
_SELF_SIGNED = Certificate("default", CertificateSource.SELF_SIGNED, "", (), EPOCH, EPOCH, "")
"""Stands for the certificate that every proxy has."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is desired of HAProxy, and the files that say so."""

    desired: Desired
    rendered: Rendered

    @property
    def refused(self) -> Mapping[str, str]:
        """What is wrong with services by their labels, by name."""
        return {
            name: each.message
            for name, conditions in self.desired.conditions.items()
            for each in conditions
            if each.type is ConditionType.ACCEPTED and each.status == "False"
        }


def by_itself(services: Iterable[SwarmService], settings: ProxySettings) -> Desired:
    """Return what is desired if there are these services and no others, all of them somewhere and in good order."""
    judged = judge(_world(services), settings, forms={}, rejected={})
    around = Surroundings(
        hosts=dict.fromkeys(judged.hosts, (SOMEWHERE,)), certificates=CertificateFiles(fallback=_SELF_SIGNED)
    )
    return build_desired(judged, settings, around)


def version(settings: ProxySettings) -> tuple[int, int] | None:
    """Return the version of the HAProxy here; None if there is none."""
    binary = _binary(settings)
    return None if binary is None else haproxy_version(binary)


def _binary(settings: ProxySettings) -> Path | None:
    try:
        return find_haproxy(settings.haproxy_binary)
    except PermanentError:
        return None


def rendered(desired: Desired, settings: ProxySettings) -> Made:
    """Return the files for a desired state, as on this machine."""
    run = settings.run_dir.absolute()
    machine = machine_at(settings, runtime_socket_in(run), internal_socket_in(run), _binary(settings))
    return Made(desired, render(desired, settings, machine))


async def running(settings: ProxySettings) -> tuple[Observed, Mapping[str, bytes]]:
    """Return what the HAProxy here runs, and the files that it would be started from.

    Raises:
        TemporaryError: it does not answer.
        OSError: the files cannot be read.
    """
    _, observed = await observe(runtime_socket_in(settings.run_dir.absolute()))
    folder = Generations(haproxy_in(settings.state_dir)).config.parent
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return observed, {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def made(
    world: Snapshot,
    settings: ProxySettings,
    secrets_dir: Path,
    remembered: Remembered = Remembered(),  # noqa: B008 - immutable
) -> Made:
    """Return what a proxy on this machine makes of a world."""
    judged = judge(world, settings, forms=remembered.forms, rejected={})
    with TemporaryDirectory() as folder:
        known = settings.state_dir.is_dir()
        certificates = certificates_of(
            settings if known else settings.model_copy(update={"state_dir": Path(folder)}), secrets_dir
        )
        around = Around(secrets_dir, certificates, TemplateFolder(settings.templates_dir), ApiNames.of(settings))
        needs = Needs(judged.hosts, frozenset(), judged.outside, world.certificates)
        surroundings = await read_surroundings(around, needs)
    return rendered(build_desired(judged, settings, surroundings, templates=remembered.templates), settings)


async def read(settings: ProxySettings) -> Snapshot:
    """Read the world that a proxy with these settings reads.

    Raises:
        SourceUnavailableError: it cannot be read.
    """
    source = source_of(settings, Word(), reports=False)
    try:
        return await source.snapshot()
    finally:
        await source.close()


async def last_known(settings: ProxySettings, secrets_dir: Path, *, anew: bool = False) -> tuple[Snapshot, Remembered]:
    """Return the world as the proxy of this state folder knew it last, or as it is read now; and what it remembers.

    It is read in any case if it is wanted ``anew``. What is declared to the proxy itself, through its API or by
    variables, is part of its world.

    Raises:
        SourceUnavailableError: neither can be had.
    """
    world = None if anew else SavedSnapshot(snapshot_in(settings.state_dir)).load()
    remembered = saved_in(last_good_in(settings.state_dir), settings.label_rules).load()
    kept = FileKeeper(declared_in(settings.state_dir)).services
    by_variables = read_variables(service_variables(os.environ, secrets_dir)).services
    return joined(world or await read(settings), kept, by_variables), remembered or Remembered()


def deployed(world: Snapshot, services: Iterable[SwarmService]) -> Snapshot:
    """Return a world after a stack was deployed: what runs goes on running with new labels, what is new has no task."""
    known = {each.name: each for each in world.services}
    is_of_a_file = any(each.host for each in world.services)
    now = datetime.now(UTC)
    for new in services:
        old = known.get(new.name)
        if old is None:
            known[new.name] = new.model_copy(update={"created_at": now, "host": new.host if is_of_a_file else None})
        else:
            changed = {"labels": new.labels, "previous_labels": old.labels, "version": old.version + 1}
            known[new.name] = old.model_copy(update=changed)
    return world.model_copy(update={"services": _world(known.values()).services})


def _world(services: Iterable[SwarmService]) -> Snapshot:
    return Snapshot(services=tuple(sorted(services, key=lambda each: each.name)))
