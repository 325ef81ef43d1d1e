# ruff: noqa: ASYNC240 - the names of tests are sentences, and their files are small
"""`StackFileSource`: compose files as people write them, and as editors and orchestrators replace them."""

import asyncio
import os
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sources.watched import watching
from structlog.testing import capture_logs

from controller.errors import SourceUnavailableError
from controller.sources.stack_file import StackFileSource, decode_stack
from models.snapshot import EPOCH, Snapshot, SwarmService

STACK = """
services:
  web:
    image: nginx
    deploy:
      labels:
        com.df.notify: "true"
        com.df.port: {port}
"""


def only(text: str) -> SwarmService:
    (service,) = decode_stack(text).services
    return service


def labels(*lines: str) -> str:
    return "\n        ".join(("services:\n  web:\n    deploy:\n      labels:", "com.df.notify: true", *lines))


def test_every_part_that_counts_is_found() -> None:
    text = """
    version: "3.8"
    x-labels: &labels
      com.df.notify: true
      com.df.port: 80
    services:
      web:
        image: nginx
        labels: {com.df.port: 81}
        deploy:
          mode: replicated
          replicas: 3
          endpoint_mode: dnsrr
          labels:
            <<: *labels
            com.df.servicePath: /web
            traefik.enable: true
      other:
        image: nginx
    networks:
      front:
    """
    assert only(text) == SwarmService(
        id="web",
        name="web",
        version=0,
        created_at=EPOCH,
        labels={"com.df.notify": "true", "com.df.port": "80", "com.df.servicePath": "/web"},
        mode="replicated",
        replicas=3,
        endpoint_mode="dnsrr",
        host="web",
    )


def test_services_are_sorted_by_name() -> None:
    text = "services: {b: {deploy: {labels: [com.df.notify]}}, a: {deploy: {labels: [com.df.notify]}}}"
    assert [service.name for service in decode_stack(text).services] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("com.df.port: 8080", "8080"),
        ("com.df.port: 0x1F", "0x1F"),
        ("com.df.port: 007", "007"),
        ("com.df.x: 1.10", "1.10"),
        ("com.df.x: 1:30", "1:30"),
        ("com.df.x: 2024-01-01", "2024-01-01"),
        ("com.df.x: True", "true"),
        ("com.df.x: FALSE", "false"),
        ("com.df.x: yes", "yes"),
        ("com.df.x: off", "off"),
        ("com.df.x: 'true'", "true"),
        ("com.df.x:", ""),
        ("com.df.x: ~", ""),
        ("com.df.x: =", "="),
        ("com.df.x: two words", "two words"),
        ("com.df.x: ^/api$$", "^/api$"),
        ("com.df.x: $$$$", "$$"),
        ("com.df.x: ${DOMAIN}", "${DOMAIN}"),
    ],
)
def test_label_values(line: str, expected: str) -> None:
    found = dict(only(labels(line)).labels)
    del found["com.df.notify"]
    assert list(found.values()) == [expected]


def test_the_list_form() -> None:
    text = """
    services:
      web:
        deploy:
          labels:
            - com.df.notify=true
            - com.df.users=a:b=c
            - "com.df.port=80"
            - com.df.sslVerifyNone
            - com.df.x=$$1
    """
    assert only(text).labels == {
        "com.df.notify": "true",
        "com.df.port": "80",
        "com.df.sslVerifyNone": "",
        "com.df.users": "a:b=c",
        "com.df.x": "$1",
    }


@pytest.mark.parametrize(
    ("deploy", "expected"),
    [
        ("replicas: 0", ("replicated", 0)),
        ("mode: replicated", ("replicated", 1)),
        ("mode: global", ("global", None)),
        ("mode: replicated-job", ("replicated", 0)),
        ("mode: global-job", ("global", 0)),
    ],
)
def test_modes(deploy: str, expected: tuple[str, int | None]) -> None:
    service = only(f"services: {{web: {{deploy: {{labels: [com.df.notify], {deploy}}}}}}}")
    assert (service.mode, service.replicas) == expected


@pytest.mark.parametrize("text", ["", "services:", "services: {web: }", "services: {web: {deploy: }}", "version: '3'"])
def test_nothing_is_a_world_too(text: str) -> None:
    assert decode_stack(text) == Snapshot()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services:\n  web: [", r"line 2"),
        ("services:\n\tweb:", r"line 2, column 1"),
        ("just text", "the file must be a mapping"),
        ("services: [web]", r"services must be a mapping \(line 1\)"),
        ("services:\n  web: nginx", r"services\.web must be a mapping"),
        ("services: {web: {deploy: {labels: com.df.notify}}}", r"services\.web\.deploy\.labels must be a mapping"),
        ("services:\n  web:\n    deploy:\n      labels:\n        a: [1]", r"labels\.a must be a text \(line 5\)"),
        ("services:\n  web:\n    deploy:\n      labels:\n      - a: 1", r"labels must be a text \(line 5\)"),
        ("services: {web: {deploy: {labels: [com.df.notify], replicas: many}}}", r"replicas is 'many'"),
        ("services: {web: {deploy: {labels: [com.df.notify], replicas: -1}}}", r"replicas is '-1'"),
        ("services: {web: {deploy: {labels: [com.df.notify], mode: some}}}", r"mode is 'some'"),
        (labels("com.df.port: 80", "com.df.port: 81"), r"the key 'com\.df\.port' is there twice \(line 7"),
        ("services: {[a]: {}}", "key"),
        ("services: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: \x00", "special characters are not allowed"),
        ("[" * 2000, "nested too deeply"),
        ("--- a\n--- b", "single document"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_stack(text)


def test_keys_that_are_merged_in_twice_are_no_doubles() -> None:
    text = """
    base: &base {com.df.port: 80, com.df.notify: true}
    more: &more {<<: *base, com.df.port: 81}
    services: {web: {deploy: {labels: {<<: *more, com.df.port: 82}}}}
    """
    assert only(text).labels["com.df.port"] == "82"


TEXT = st.text(string.ascii_letters + string.digits + " =:#$%&*!|>'\"{}[],?-_/\\.é\u2028", max_size=20)


@given(st.dictionaries(st.text(string.ascii_letters, min_size=1), TEXT, max_size=5))
def test_both_forms_of_labels_say_the_same(values: dict[str, str]) -> None:
    """Whatever is written in either form comes out as it went in, but for ``$$``."""
    wanted = {"com.df.notify": "true"} | {f"com.df.{key}": value for key, value in values.items()}
    escaped = {key: value.replace("$", "$$") for key, value in wanted.items()}
    as_mapping = {"services": {"web": {"deploy": {"labels": escaped}}}}
    as_list = {"services": {"web": {"deploy": {"labels": [f"{key}={value}" for key, value in escaped.items()]}}}}
    for form in (as_mapping, as_list):
        assert only(yaml.safe_dump(form)).labels == wanted


@given(st.text())
def test_any_text_is_either_decoded_or_refused(text: str) -> None:
    try:
        decode_stack(text)
    except ValueError:
        return


async def test_an_unchanged_file_is_the_same_object(tmp_path: Path) -> None:
    path = tmp_path / "stack.yml"
    path.write_text(STACK.format(port=80))
    source = StackFileSource(path)
    first = await source.snapshot()
    os.utime(path, (1, 1))
    assert await source.snapshot() is first
    assert source.last_success is not None


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stack.yml"
    source = StackFileSource(path)
    with pytest.raises(SourceUnavailableError, match=rf"{path}: No such file"):
        await source.snapshot()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceUnavailableError, match="not text in UTF-8"):
        await source.snapshot()
    assert source.error
    path.write_text(STACK.format(port=80))
    await source.snapshot()
    assert source.error is None


async def test_variables_are_reported_once_per_content(tmp_path: Path) -> None:
    path = tmp_path / "stack.yml"
    path.write_text(labels("com.df.serviceDomain: ${DOMAIN}", "com.df.servicePath: $$HOME"))
    source = StackFileSource(path)
    with capture_logs() as logs:
        await source.snapshot()
        await source.snapshot()
    assert [(entry["service"], entry["label"], entry["variable"]) for entry in logs] == [
        ("web", "com.df.serviceDomain", "{DOMAIN}")
    ]


async def until_settled() -> None:
    """Give the watch a moment to begin: it has no sign of its own."""
    await asyncio.sleep(0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "stack.yml"
    path.write_text(STACK.format(port=80))
    return path


def slow(path: Path) -> StackFileSource:
    """A source that would be too slow for these tests without notifications from the file system."""
    return StackFileSource(path, stat_every=60)


async def test_a_file_that_is_written_in_place_is_seen(path: Path) -> None:
    async with watching(slow(path)) as watched:
        await until_settled()
        path.write_text(STACK.format(port=8081))
        await watched.until("stack file", within=5)


async def test_a_file_that_is_replaced_is_seen_again_and_again(path: Path) -> None:
    async with watching(slow(path)) as watched:
        await until_settled()
        for port in (81, 82, 83):
            new = path.with_suffix(".new")
            new.write_text(STACK.format(port=port))
            new.replace(path)
            await watched.until("stack file", within=5)


async def test_other_files_in_the_folder_do_not_matter(path: Path) -> None:
    async with watching(slow(path)) as watched:
        await until_settled()
        (path.parent / ".stack.yml.swp").write_text("x")
        await asyncio.sleep(0.3)
        assert watched.reasons == []


async def test_a_file_that_vanishes_and_comes_back_is_seen_both_times(path: Path) -> None:
    async with watching(slow(path)) as watched:
        await until_settled()
        path.unlink()
        await watched.until("stack file", within=5)
        path.write_text(STACK.format(port=81))
        await watched.until("stack file", within=5)


async def test_links_that_are_swapped_as_for_mounted_configurations_are_seen(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "stack.yml").write_text(STACK.format(port=80 + number))
    (tmp_path / "..data").symlink_to("..1")
    path = tmp_path / "stack.yml"
    path.symlink_to("..data/stack.yml")
    source = slow(path)
    async with watching(source) as watched:
        await until_settled()
        for number in (2, 3):
            (tmp_path / "..new").symlink_to(f"..{number}")
            (tmp_path / "..new").replace(tmp_path / "..data")
            await watched.until("stack file", within=5)
            (service,) = (await source.snapshot()).services
            assert service.labels["com.df.port"] == str(80 + number)


async def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "later" / "stack.yml"
    async with watching(StackFileSource(path, stat_every=0.05)) as watched:
        await asyncio.sleep(0.1)
        path.parent.mkdir()
        path.write_text(STACK.format(port=80))
        await watched.until("stack file", within=5)


async def test_a_change_between_reading_and_watching_is_not_lost(path: Path) -> None:
    source = StackFileSource(path, stat_every=0.05)
    await source.snapshot()
    path.write_text(STACK.format(port=8081))
    async with watching(source) as watched:
        await watched.until("stack file", within=5)
