"""What is fuzzed: everything that reads what somebody else has written. Each target raises only if something is wrong.

A target takes bytes. It may refuse them in the one way that its reader is documented to; all else is a finding.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from controller.haproxy import answers as haproxy
from controller.sources.decode import SnapshotDecoder, decode_addresses, decode_nodes, find_service_id
from controller.sources.swarm_listener import decode_services
from controller.sources.wire import SnapshotReader, SnapshotWriter
from models.reading import PREFIX, LabelRules, read_labels
from models.snapshot import Snapshot

_BETWEEN = b"\xff"
"""Divides the parts of an input; it is in no text in UTF-8."""
_PARSERS: tuple[Callable[[str], object], ...] = (
    *(haproxy.parse_help, haproxy.parse_info, haproxy.parse_map_files, haproxy.parse_map, haproxy.parse_new_version),
    *(haproxy.parse_crt_list, haproxy.parse_backends, haproxy.parse_servers, haproxy.parse_processes),
    haproxy.parse_reload,
)


def labels(data: bytes) -> None:
    """Names and values of labels in turn: a service or problems, never both, told in printable words."""
    parts = [part.decode("utf-8", "surrogateescape") for part in data.split(_BETWEEN)]
    given = {PREFIX + name: value for name, value in zip(parts[::2], parts[1::2], strict=False)}
    reading = read_labels("web", given, LabelRules())
    assert (reading.service is None) == bool(reading.problems)
    words = (*(each.text for each in reading.problems), *reading.deprecations, *reading.without_effect)
    assert all(text.isprintable() for text in words), words


def answers(data: bytes) -> None:
    """What HAProxy may answer on its sockets: each parser understands it, or says that it does not."""
    text = data.decode("utf-8", "replace")
    for parse in _PARSERS:
        with suppress(haproxy.UnreadableAnswerError):
            parse(text)


def snapshots(data: bytes) -> None:
    """What Docker or a listener may answer: a world, the same again once it has been sent on, or ``ValueError``."""
    services, _, tasks = data.partition(_BETWEEN)
    decoder = SnapshotDecoder()
    with suppress(ValueError):
        world = decoder.decode(services, tasks or b"[]")
        assert decoder.decode(services, tasks or b"[]") is world
        _check_wire(world)
    for decode in (SnapshotReader().read, decode_services):
        with suppress(ValueError):
            _check_wire(decode(services))
    for read in (decode_addresses, decode_nodes, lambda body: find_service_id(body, "web")):
        with suppress(ValueError):
            read(services)


def _check_wire(world: Snapshot) -> None:
    body = SnapshotWriter().write(world)
    try:
        again = SnapshotReader().read(body)
    except ValueError as error:
        raise AssertionError("what was written cannot be read") from error
    assert again == world
    assert again.digest == world.digest


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {"labels": labels, "answers": answers, "snapshots": snapshots}
)
