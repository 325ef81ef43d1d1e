"""Writes the bill of materials of the image: CycloneDX, as JSON, on standard output.

    python .ci/sbom.py docker run --rm --interactive --entrypoint python3 swarmgate/swarmgate -

It lists what is in the image (packages of Python and of Debian, HAProxy), as the image itself tells, and with scope
`excluded` the locked packages that are only for working on the project. Of the same image and the same lock it is the
same to the byte. It ends with 1 if the image has a package of Python that is not the locked one.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

HERE = Path(__file__).parent
PROJECT = "swarmgate"
_TIME = datetime(2020, 2, 2, tzinfo=UTC)
"""As that of the files in the image: when it was built says nothing about what it is made of."""


def main() -> int:
    """Run the command that is given, and write what follows from its answer."""
    inventory = (HERE / "inventory.py").read_text(encoding="utf-8")
    told = json.loads(subprocess.run(sys.argv[1:], input=inventory, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    lock = locked((HERE.parent / "requirements.lock").read_text(encoding="utf-8"))
    shipped = {normal(name): version for name, version in told["distributions"]}
    image = Component(name=PROJECT, version=shipped.pop(PROJECT), type=ComponentType.CONTAINER, bom_ref=PROJECT)
    if strange := [f"{name} {version}" for name, version in shipped.items() if lock.get(name) != version]:
        print(f"not as locked: {', '.join(strange)}", file=sys.stderr)  # noqa: T201 - a script
        return 1
    inside = [*of_python(shipped, ComponentScope.REQUIRED), *of_debian(told), haproxy(told["haproxy"])]
    around = of_python({name: lock[name] for name in lock.keys() - shipped.keys()}, ComponentScope.EXCLUDED)
    print(written(image, inside, around))  # noqa: T201 - a script
    return 0


def locked(text: str) -> dict[str, str]:
    """Return the versions of the locked packages by their names."""
    return {normal(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)}


def normal(name: str) -> str:
    """Return a name of Python's packages as it is written in package URLs."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_python(versions: dict[str, str], scope: ComponentScope) -> Iterator[Component]:
    """Give the packages of Python."""
    for name, version in versions.items():
        yield component(PackageURL("pypi", None, name, version), ComponentType.LIBRARY, scope)


def of_debian(told: dict[str, list[list[str]]]) -> Iterator[Component]:
    """Give the packages of Debian; a package may be there for several architectures."""
    for name, version, architecture in told["packages"]:
        qualifiers = {"arch": architecture, "distro": f"debian-{told['debian']}"}
        url = PackageURL("deb", "debian", name.partition(":")[0], version, qualifiers)
        yield component(url, ComponentType.LIBRARY, ComponentScope.REQUIRED)


def haproxy(version: str) -> Component:
    """Return HAProxy, which the official image builds from source, so that no package tells of it."""
    made = component(
        PackageURL("generic", None, "haproxy", version), ComponentType.APPLICATION, ComponentScope.REQUIRED
    )
    made.cpe = f"cpe:2.3:a:haproxy:haproxy:{version.partition('-')[0]}:*:*:*:*:*:*:*"
    return made


def component(url: PackageURL, kind: ComponentType, scope: ComponentScope) -> Component:
    """Return what a package URL names."""
    return Component(name=url.name, version=url.version, type=kind, scope=scope, purl=url, bom_ref=url.to_string())


def written(image: Component, inside: Iterable[Component], around: Iterable[Component]) -> str:
    """Return the bill; its number follows from what it lists.

    Raises:
        ValueError: it is not as the schema of CycloneDX has it.
    """
    inside = list(inside)
    listed = [*inside, *around]
    content = "\n".join(sorted(each.bom_ref.value or "" for each in listed))
    bill = Bom(
        components=listed,
        metadata=BomMetaData(component=image, timestamp=_TIME),
        serial_number=uuid5(NAMESPACE_URL, f"{image.version}\n{content}"),
    )
    bill.register_dependency(image, inside)
    text = JsonV1Dot6(bill).output_as_string(indent=2)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"no CycloneDX: {wrong}")
    return text


if __name__ == "__main__":
    sys.exit(main())
