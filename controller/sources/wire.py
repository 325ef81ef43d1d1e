"""How a `Snapshot` travels and is kept: JSON with one service a line, so that unchanged services cost nearly nothing.

The certificates, if there are any, follow in one line of their own.

It is plain JSON, which `Snapshot.model_validate_json` reads as well, and the reader here takes any JSON form in turn.
But where each service is a line of its own, a reader that remembers lines need only parse those it has not seen. In a
world of thousands of services, of which one changes, that is the difference between a blink and a second.
"""

from collections.abc import Iterable
from contextlib import suppress

from pydantic import TypeAdapter, ValidationError

from models.snapshot import Snapshot, StoredCertificate, SwarmService

_BEGIN = b'{"services":[\n'
_BETWEEN = b",\n"
_CERTIFICATES = b'\n],"certificates":'
_END = b"\n]}"
_CERTIFICATES_END = b"}"
_LIST = TypeAdapter(tuple[StoredCertificate, ...])


class SnapshotWriter:
    """Writes snapshots; remembers what it wrote for services that are still the same objects."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[SwarmService, bytes]] = {}

    def write(self, snapshot: Snapshot) -> bytes:
        """The snapshot as JSON in UTF-8."""
        self._lines = {service.id: self._line(service) for service in snapshot.services}
        # By service and not by id: nothing forbids two sources' services to share one.
        services = _BEGIN + _BETWEEN.join(self._line(service)[1] for service in snapshot.services)
        if not snapshot.certificates:
            return services + _END
        return services + _CERTIFICATES + _LIST.dump_json(snapshot.certificates) + _CERTIFICATES_END

    def _line(self, service: SwarmService) -> tuple[SwarmService, bytes]:
        known = self._lines.get(service.id)
        if known is not None and known[0] is service:
            return known
        return service, service.model_dump_json().encode()


class SnapshotReader:
    """Reads snapshots; services whose line has not changed since the last one are the very same objects again."""

    def __init__(self) -> None:
        self._known: dict[bytes, SwarmService] = {}
        self._certificates: tuple[bytes, tuple[StoredCertificate, ...]] = (b"", ())

    def read(self, body: bytes) -> Snapshot:
        """Parse a snapshot; fields that a newer writer may know in addition are ignored.

        Raises:
            ValueError: it is none. The text does not quote it, since it may hold passwords.
        """
        try:
            if body.startswith(_BEGIN) and body.endswith(_END):
                return self._read_lines(body[len(_BEGIN) : -len(_END)].split(_BETWEEN), b"")
            services, mark, rest = body.rpartition(_CERTIFICATES)
            if mark and services.startswith(_BEGIN) and rest.endswith(_CERTIFICATES_END):
                with suppress(ValidationError):  # A newer writer may have something to say after the certificates.
                    lines = services[len(_BEGIN) :].split(_BETWEEN)
                    return self._read_lines(lines, rest.removesuffix(_CERTIFICATES_END))
            return Snapshot.model_validate_json(body, extra="ignore")
        except ValidationError as error:
            raise ValueError(f"it is no snapshot ({_words(error)})") from None

    def _read_lines(self, lines: Iterable[bytes], certificates: bytes) -> Snapshot:
        read = {line: self._known.get(line) or _read_service(line) for line in lines if line}
        if certificates and certificates != self._certificates[0]:
            self._certificates = (certificates, _LIST.validate_json(certificates, extra="ignore"))
        self._known = read
        return Snapshot(services=tuple(read.values()), certificates=self._certificates[1] if certificates else ())


def _read_service(line: bytes) -> SwarmService:
    return SwarmService.model_validate_json(line, extra="ignore")


def _words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{first['type']} at {where}" if where else first["type"]
