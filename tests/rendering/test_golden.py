"""Golden folders: a world as YAML, and the files and conditions that it leads to.

Each folder of ``tests/golden`` is a case: ``world.yml`` is the input, the rest is what was rendered and is reviewed
like code. A case is added without touching code; ``pytest --update-golden`` writes what is rendered now.
"""

import json
import re
import shutil
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from binaries import VERSIONS, haproxy_binary, refusal
from builders import BORN, MACHINE, PROXY_NETWORK, desired_of, service, snapshot
from tls.authorities import fixed_certificate

from controller.endpoints import Surroundings
from controller.pem import read_certificate, split_pem
from controller.templates import TemplateFile
from models.certificates import CertificateFiles, CertificateSource
from models.proxy import Desired
from models.service import TABLE
from models.settings import ProxySettings
from models.snapshot import SwarmService, Task
from render.configuration import render

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = [pytest.param(path.parent, id=path.parent.name) for path in sorted(GOLDEN.glob("*/world.yml"))]


def read_service(name: str, fields: dict[str, Any]) -> SwarmService:
    """Return a service of a world; what it does not say is that of a plain one. Labels have their prefix here."""
    fields = dict(fields)
    labels = {str(label): str(value) for label, value in fields.pop("labels").items()}
    if isinstance(fields.get("tasks"), list):
        fields["tasks"] = [Task(id=f"{name}-{number}", **each) for number, each in enumerate(fields["tasks"], 1)]
    return service(name, {}, **fields).model_copy(update={"labels": labels})


def output_of(case: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return every file HAProxy gets for a case, and all that is kept in its folder."""
    world = yaml.safe_load((case / "world.yml").read_text())
    settings = ProxySettings(**world.get("settings", {}))
    surroundings = Surroundings(
        networks=tuple(map(ip_network, world.get("networks", [PROXY_NETWORK]))),
        hosts={name: tuple(addresses) for name, addresses in world.get("hosts", {}).items()},
        secrets=world.get("secrets", {}),
        certificates=certificates_of(world),
        templates={name: TemplateFile(text) for name, text in world.get("templates", {}).items()},
        now=BORN,
    )
    services = [read_service(name, fields) for name, fields in world["services"].items()]
    desired = desired_of(snapshot(*services), settings=settings, surroundings=surroundings)
    files = render(desired, settings, MACHINE).files()
    kept = {name: content for name, content in files.items() if content and not name.startswith(("certs/", "ca/"))}
    status = json.dumps(conditions_json(desired), indent=2, ensure_ascii=False)
    return files, kept | {"status.json": f"{status}\n".encode()}


def certificates_of(world: dict[str, Any]) -> CertificateFiles:
    """Return the certificates of a world, which are given by file and host names, and its authorities by file name."""
    files = {name: split_pem(fixed_certificate(*hosts)) for name, hosts in world.get("certificates", {}).items()}
    authorities = {name: split_pem(fixed_certificate(name)).certificates[0] for name in world.get("authorities", [])}
    usable = tuple(read_certificate(name, CertificateSource.FOLDER, pem) for name, pem in files.items())
    return CertificateFiles(usable=usable, authorities=authorities)


def conditions_json(desired: Desired) -> dict[str, dict[str, Any]]:
    """Return the conditions of each service as ``status reason``, with the message if there is one, and its notices."""
    return {
        name: {
            fact.type.value: f"{fact.status} {fact.reason.value}" + (f": {fact.message}" if fact.message else "")
            for fact in facts
        }
        | ({"notices": [f"{each.reason.value}: {each.message}" for each in told]} if told else {})
        for name, facts in desired.conditions.items()
        for told in [desired.notices.get(name)]
    }


def files_in(case: Path) -> dict[str, bytes]:
    """Return what is kept in a case's folder, by relative path."""
    return {
        str(path.relative_to(case)): path.read_bytes()
        for path in sorted(case.rglob("*"))
        if path.is_file() and path.name != "world.yml"
    }


def rewrite(case: Path, kept: dict[str, bytes]) -> None:
    """Replace everything in a case's folder but its input."""
    shutil.rmtree(case / "maps", ignore_errors=True)
    for name, content in kept.items():
        (case / name).parent.mkdir(exist_ok=True)
        (case / name).write_bytes(content)


@pytest.mark.parametrize("case", CASES)
def test_world_leads_to_these_files_and_conditions(case: Path, update_golden: bool) -> None:  # noqa: FBT001 - a fixture
    """The same world gives the same bytes, and no others."""
    _, kept = output_of(case)
    if update_golden:
        rewrite(case, kept)
    found = files_in(case)
    assert found.keys() == kept.keys()
    for name, content in kept.items():
        assert found[name].decode() == content.decode(), name


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_haproxy_loads_the_files_without_a_warning(case: Path, version: str, tmp_path: Path) -> None:
    """``haproxy -c -dW`` has nothing to say."""
    files, _ = output_of(case)
    assert refusal(haproxy_binary(version), files, tmp_path) == ""


def test_every_label_has_a_case() -> None:
    """With an index or without one."""
    worlds = (yaml.safe_load(path.read_text()) for path in GOLDEN.glob("*/world.yml"))
    labels = {str(name) for world in worlds for each in world["services"].values() for name in each["labels"]}
    assert TABLE.keys() - {re.sub(r"^com\.df\.|\.\d+$", "", name) for name in labels} == set()
