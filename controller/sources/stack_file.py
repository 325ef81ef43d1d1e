"""`StackFileSource`: the world as a compose file declares it, for a proxy without a Swarm (or for a try-out).

Only ``services.<name>.deploy`` counts: ``labels``, ``mode``, ``replicas`` and ``endpoint_mode``, as in
``docker stack deploy``, but services keep the names they have in the file. Differences, all of them deliberate:

- Numbers in labels keep the way they are written: ``1.10`` stays ``1.10``, ``1:30`` stays ``1:30``. ``yes`` and
  ``on`` are words, as in YAML 1.2; ``true`` and ``false`` come out in lower case.
- A key that is there twice is an error, not a silent choice between the two.
- ``$$`` becomes ``$``. Variables (``$NAME``, ``${NAME}``) are not replaced: what they stand for is known where the
  stack is deployed, not here. They stay in the text, where they fail the check of nearly every label, so that the
  service concerned is told; and each is logged when the file is read.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import structlog
from watchfiles import awatch

from controller.errors import SourceUnavailableError
from controller.sources.decode import LABEL_PREFIX, NOTIFY_LABEL, keep_labels, opts_in
from controller.sources.health import Clock, HealthRecord
from controller.sources.strict_yaml import DocumentError, load, refusal
from models.snapshot import Snapshot, SwarmService

_log = structlog.get_logger()

_DOLLAR = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*|\{[^}]*\}))")
_MOST_BYTES = 64 << 20
_DEBOUNCE_MS = 50

_Signature = tuple[int, ...] | None


class StackFileSource(HealthRecord):
    """Reads the compose file at ``path``; services opt in with ``notify_label`` as they do in a Swarm.

    ``stat_every`` is how often, in seconds, the file is looked at where the file system does not report changes.
    """

    def __init__(
        self,
        path: Path,
        notify_label: str = NOTIFY_LABEL,
        *,
        label_prefix: str = LABEL_PREFIX,
        stat_every: float = 2.0,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self._path = path
        self._notify_label = notify_label
        self._label_prefix = label_prefix
        self._stat_every = stat_every
        self._last: tuple[str, Snapshot] | None = None
        self._seen = _signature(path)

    async def snapshot(self) -> Snapshot:
        """Read the file now; the same object as before if its text has not changed.

        Raises:
            SourceUnavailableError: it cannot be read; the text names file, line, and what is wrong.
        """
        try:
            text = await asyncio.to_thread(_read, self._path)
            snapshot = self._decoded(text)
        except (OSError, ValueError) as error:
            message = f"Stack file {self._path}: {_words(error)}"
            self.failed(message)
            raise SourceUnavailableError(message) from error
        self.succeeded()
        return snapshot

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """Mark dirty when the file has another content, however it was replaced; also when it vanishes or is back."""

        def look() -> None:
            seen = _signature(self._path)
            if seen != self._seen:
                self._seen = seen
                mark_dirty("stack file")

        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_often(look))
            group.create_task(self._look_upon_changes(look))

    async def close(self) -> None:
        """Nothing is kept open."""

    def _decoded(self, text: str) -> Snapshot:
        if self._last and self._last[0] == text:
            return self._last[1]
        services = _as_written(text, self._notify_label, self._label_prefix)
        _report_variables(services, self._path)
        self._last = text, _unescaped(services)
        return self._last[1]

    async def _look_often(self, look: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self._stat_every)
            look()

    async def _look_upon_changes(self, look: Callable[[], None]) -> None:
        """Watch folders, not the file: a file that is replaced is another one, and the watch would be lost with it."""
        while True:
            folders = _folders(self._path)
            try:
                async for _ in awatch(*folders, recursive=False, debounce=_DEBOUNCE_MS, step=10):
                    look()
                    if _folders(self._path) != folders:
                        break
            except (OSError, RuntimeError):
                # A folder is not there, or there is nothing to watch it with: the other task looks in the meantime.
                await asyncio.sleep(self._stat_every)


def decode_stack(text: str, *, notify_label: str = NOTIFY_LABEL, label_prefix: str = LABEL_PREFIX) -> Snapshot:
    """Decode the text of a compose file.

    Raises:
        DocumentError: it is no compose file.
    """
    return _unescaped(_as_written(text, notify_label, label_prefix))


def _as_written(text: str, notify_label: str, label_prefix: str) -> list[SwarmService]:
    """The services that opted in, by name, with labels in which ``$$`` still stands for ``$``."""
    services = _mapping(_mapping(load(text), "the file").get("services"), "services")
    decoded = (
        _service(name, _mapping(item, f"services.{name}"), notify_label, label_prefix)
        for name, item in sorted(services.items())
    )
    return [service for service in decoded if service]


def _unescaped(services: Iterable[SwarmService]) -> Snapshot:
    return Snapshot(
        services=tuple(
            service.model_copy(
                update={"labels": {key: value.replace("$$", "$") for key, value in service.labels.items()}}
            )
            for service in services
        )
    )


def _service(name: str, item: Mapping[str, object], notify_label: str, label_prefix: str) -> SwarmService | None:
    deploy = _mapping(item.get("deploy"), f"services.{name}.deploy")
    labels = _labels(deploy.get("labels"), f"services.{name}.deploy.labels")
    if not opts_in(labels, notify_label):
        return None
    mode, replicas = _mode(deploy, f"services.{name}.deploy")
    return SwarmService(
        id=name,
        name=name,
        labels=keep_labels(labels, notify_label, label_prefix),
        mode=mode,
        replicas=replicas,
        endpoint_mode="dnsrr" if deploy.get("endpoint_mode") == "dnsrr" else "vip",
        host=name,
    )


def _labels(labels: object, where: str) -> dict[str, str]:
    """Both forms that compose knows: a mapping, or a list of ``key=value``."""
    if isinstance(labels, list):
        pairs = [_pair(entry, where) for entry in labels]
    else:
        pairs = [(key, _scalar(value, f"{where}.{key}")) for key, value in _mapping(labels, where).items()]
    return dict(pairs)


def _pair(entry: object, where: str) -> tuple[str, str]:
    key, _, value = _scalar(entry, where).partition("=")
    return key.strip(), value


def _scalar(value: object, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise refusal(f"{where} must be a text", value)
    return value


def _mode(deploy: Mapping[str, object], where: str) -> tuple[Literal["replicated", "global"], int | None]:
    """Jobs count as scaled to 0, as in the Docker API's answers."""
    mode = _scalar(deploy.get("mode"), f"{where}.mode") or "replicated"
    if mode not in ("replicated", "global", "replicated-job", "global-job"):
        raise refusal(f"{where}.mode is {mode!r}, not replicated or global", deploy)
    family: Literal["replicated", "global"] = "global" if mode.startswith("global") else "replicated"
    if mode.endswith("-job"):
        return family, 0
    return family, None if family == "global" else _replicas(deploy, where)


def _replicas(deploy: Mapping[str, object], where: str) -> int:
    text = _scalar(deploy.get("replicas"), f"{where}.replicas") or "1"
    if not (text.isascii() and text.isdecimal()):
        raise refusal(f"{where}.replicas is {text!r}, not a number", deploy)
    return int(text)


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise refusal(f"{where} must be a mapping", value)
    return value


def _report_variables(services: Iterable[SwarmService], path: Path) -> None:
    for service in services:
        for label, value in service.labels.items():
            for name in _variables(value):
                _log.warning(
                    "Variable in stack file is not replaced",
                    path=str(path),
                    service=service.name,
                    label=label,
                    variable=name,
                )


def _variables(text: str) -> Iterator[str]:
    return (match[2] for match in _DOLLAR.finditer(text) if match[2])


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise DocumentError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    return content.decode("utf-8-sig")


def _words(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _signature(path: Path) -> _Signature:
    """What changes whenever the file at the end of all symbolic links changes; None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _folders(path: Path) -> tuple[Path, ...]:
    """The folders in which a change may replace the file: its own, and that of the file it links to."""
    return tuple(dict.fromkeys((path.parent.absolute(), Path(os.path.realpath(path)).parent)))
