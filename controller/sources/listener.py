"""`ListenerSource`: the world as one or several Swarmgate listeners tell it, for proxies without a Docker socket.

A listener answers ``GET /v1/snapshot`` with a `Snapshot` as JSON and an ETag. With ``If-None-Match`` and ``wait`` the
request is held until there is something new, so a change arrives as soon as it is known, and a lost connection costs
one more request and nothing else. The same request tells the listener what this replica has programmed.

A listener that knows no snapshot may be an original DFSL: its ``get-services`` is read in full at each look.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx
import structlog

from controller.asked import HEADER
from controller.backoff import Backoff
from controller.channel import ChannelError, ChannelFiles, mounts
from controller.errors import SourceUnavailableError
from controller.listener_address import listener_url
from controller.sources.health import Clock, Outage
from controller.sources.saved import SavedSnapshot
from controller.sources.swarm_listener import SERVICES_PATH, decode_services
from controller.sources.wire import SnapshotReader
from models.credentials import holds_credentials
from models.snapshot import Snapshot, StoredCertificate, SwarmService

_log = structlog.get_logger()

MOST_BYTES = 64 << 20
"""The largest answer that is read, in bytes and uncompressed: about ten times a world of 10,000 services."""

_PATH = "/v1/snapshot"
_LEAST_PAUSE = 0.1
_UNCHANGED_PAUSE = 1.0
_LEGACY_PAUSE = 5.0
_MOST_PATIENCE = 5.0
_REMEMBERED = 16

_ADVICE = MappingProxyType(
    {
        401: "check that the listener token is the same here and there",
        403: "check that the listener token is the same here and there or, without one, that the listener's "
        "SERVICE_NAME is the name of this proxy's service and both share a network",
        404: "is it a Swarmgate listener?",
        503: "it has no answer yet",
    }
)


class _Listener:
    """One configured address: what was last heard from it, and how it is doing."""

    def __init__(self, address: str, saved: SavedSnapshot | None) -> None:
        self.url = listener_url(address)
        self.outage = Outage("Listener unreachable", "Listener reachable again", listener=self.url)
        self.reader = SnapshotReader()
        self.saved = saved
        self.snapshot = saved.load() if saved else None
        self.etag = ""
        self.last_success: float | None = None
        self.error: str | None = None
        self.is_legacy = False
        self.poll: asyncio.Task[bool] | None = None
        self._is_told_of_plain = False

    def warn_if_plain(self, snapshot: Snapshot) -> None:
        """Tell once if credentials came over the network in a way that it must keep secret itself."""
        if self.url.startswith("https:") or self._is_told_of_plain:
            return
        known = {id(each) for each in self.snapshot.services} if self.snapshot else frozenset()
        if not holds_credentials(snapshot, known):
            return
        self._is_told_of_plain = True
        _log.warning(
            "Credentials come from the listener without TLS",
            listener=self.url,
            advice="see that their network is encrypted (driver_opts: {encrypted: ''}), or set LISTENER_TLS_CERT and "
            "LISTENER_TLS_CA on both sides and begin LISTENER_ADDRESS with https://",
        )

    @property
    def is_failing(self) -> bool:
        return self.error is not None


class ListenerSource:
    """Polls the listeners at ``addresses``, each ``host``, ``host:port`` or a URL; by default port 8080, by TLS 8443.

    Several addresses are listeners of different Swarms, and the world is the union of theirs: what each last said
    stays in force while it cannot be reached, also across a restart if there is a ``state_dir``. Several listeners
    behind one name are interchangeable. ``token`` is sent as bearer token, and without one ``word``, for listeners to
    ask back about (`controller.asked`); ``channel`` is what https addresses need, ``replica`` is the name under which
    the listener keeps what this proxy reports. ``wait`` is how many seconds a listener may hold a poll, ``timeout`` how
    many it may take to answer one that it should not hold.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        token: str | None = None,
        replica: str = "",
        *,
        word: str = "",
        channel: ChannelFiles | None = None,
        state_dir: Path | None = None,
        wait: float = 25.0,
        timeout: float = 5.0,
        clock: Clock = time.monotonic,
    ) -> None:
        if not addresses:
            raise ValueError("no listener address")
        # A single listener's world is kept by whoever guards this source.
        is_union = len(addresses) > 1
        self._listeners = [
            _Listener(address, SavedSnapshot(state_dir / _file_name(address)) if state_dir and is_union else None)
            for address in addresses
        ]
        self._is_union = is_union
        self._replica = replica
        self._wait = wait
        self._timeout = timeout
        self._clock = clock
        self._is_watching = False
        self._programmed = ""
        self._conditions = ""
        self._merged: tuple[tuple[Snapshot, ...], Snapshot] = ((), Snapshot())
        self._etags: dict[str, dict[str, str]] = {}
        # No proxies from the environment: a listener is a neighbour, and the token is for it alone.
        self._client = httpx.AsyncClient(
            headers=_proof(token, word),
            timeout=httpx.Timeout(timeout, read=None),
            trust_env=False,
            mounts=mounts(channel),
        )

    @property
    def last_success(self) -> float | None:
        """When the listener that was silent for longest last answered, of those that ever did (monotonic seconds)."""
        return min((each.last_success for each in self._listeners if each.last_success is not None), default=None)

    @property
    def error(self) -> str | None:
        """What is wrong with the listeners that cannot be reached; None if all can."""
        return "; ".join(each.error for each in self._listeners if each.error) or None

    @property
    def has_legacy(self) -> bool:
        """Whether one of the listeners is an original DFSL, which has notifications instead of long polls."""
        return any(each.is_legacy for each in self._listeners)

    @property
    def programmed(self) -> str:
        """The `Snapshot.digest` that this proxy has programmed; set it, and the listeners are told at once."""
        return self._programmed

    @programmed.setter
    def programmed(self, digest: str) -> None:
        if digest != self._programmed:
            self._programmed = digest
            self._report()

    @property
    def conditions(self) -> str:
        """A digest of this proxy's conditions; set it, and the listeners are told at once."""
        return self._conditions

    @conditions.setter
    def conditions(self, digest: str) -> None:
        if digest != self._conditions:
            self._conditions = digest
            self._report()

    async def snapshot(self) -> Snapshot:
        """The union of what all listeners say; each is asked once more, except those known to be unreachable.

        Raises:
            SourceUnavailableError: the only listener cannot be reached, or none of several ever could.
        """
        asked = [each for each in self._listeners if not (self._is_watching and each.is_failing)]
        await asyncio.gather(*(self._ask(each) for each in asked))
        known = tuple(each.snapshot for each in self._listeners if each.snapshot is not None)
        if not known or (self.error and not self._is_union):
            raise SourceUnavailableError(self.error or "no listener has answered yet")
        return self._union(known)

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """Keep a long poll at each listener, and mark dirty when one says something new, fails, or is back."""
        self._is_watching = True
        try:
            async with asyncio.TaskGroup() as group:
                for each in self._listeners:
                    group.create_task(self._follow(each, mark_dirty))
        finally:
            self._is_watching = False

    def doubt(self) -> None:
        """A listener is always asked for all that it knows, and answers for its own doubts."""

    async def close(self) -> None:
        """Let go of all connections, and finish writing to disk."""
        await self._client.aclose()
        for each in self._listeners:
            if each.saved:
                await each.saved.close()

    def _union(self, known: tuple[Snapshot, ...]) -> Snapshot:
        parts, merged = self._merged
        if len(parts) != len(known) or any(part is not each for part, each in zip(parts, known, strict=True)):
            merged = merge(known)
            self._merged = known, merged
        self._etags[merged.digest] = {each.url: each.etag for each in self._listeners}
        while len(self._etags) > _REMEMBERED:
            del self._etags[next(iter(self._etags))]
        return merged

    def _report(self) -> None:
        """End the polls that are being held, so that the next ones carry the news."""
        for each in self._listeners:
            if each.poll is not None:
                each.poll.cancel()

    async def _ask(self, listener: _Listener) -> None:
        """Fetch without waiting; a failure is noted, not raised."""
        try:
            await self._fetch(listener, wait=0)
        except SourceUnavailableError as error:
            listener.error = str(error)

    async def _follow(self, listener: _Listener, mark_dirty: Callable[[str], None]) -> None:
        backoff = Backoff(first=0.25, longest=_MOST_PATIENCE)
        while True:
            was_failing, began = listener.is_failing, self._clock()
            try:
                changed = await self._poll(listener)
            except SourceUnavailableError as error:
                listener.error = str(error)
                self._note(listener)
                if not was_failing:
                    mark_dirty("listener unreachable")
                await asyncio.sleep(backoff.next_delay())
                continue
            backoff.reset()
            self._note(listener)
            if changed or was_failing:
                mark_dirty("listener")
            # A listener that does not hold polls must not be asked in a tight loop.
            pause = _UNCHANGED_PAUSE if changed is False else _LEAST_PAUSE
            pause = _LEGACY_PAUSE if listener.is_legacy else pause
            await asyncio.sleep(max(0.0, began + pause - self._clock()))

    def _note(self, listener: _Listener) -> None:
        """Log outages of one listener among several; that of the only one is logged by whoever gets the error."""
        if not self._is_union:
            return
        if listener.error is not None:
            listener.outage.begin(listener.error)
        else:
            listener.outage.end()

    async def _poll(self, listener: _Listener) -> bool | None:
        """One long poll: True if there was something new, None if it was ended to report something."""
        # Held only if all is well: that a listener is back must be known at once, not when it has news.
        wait = self._wait if listener.etag and not listener.is_failing else 0
        poll = asyncio.create_task(self._fetch(listener, wait=wait))
        listener.poll = poll
        try:
            await asyncio.wait({poll})
        finally:
            listener.poll = None
            poll.cancel()
            await asyncio.gather(poll, return_exceptions=True)
        return None if poll.cancelled() else poll.result()

    async def _fetch(self, listener: _Listener, *, wait: float) -> bool:
        """Ask one listener, and keep what it says; True if it is new.

        Raises:
            SourceUnavailableError: there is no usable answer; what was known stays.
        """
        try:
            async with asyncio.timeout(wait + self._timeout):
                response, body = await self._get(listener, wait)
            is_unchanged = response.status_code == httpx.codes.NOT_MODIFIED and listener.etag
            snapshot = None if is_unchanged else _decoded(listener, body)
        except TimeoutError:
            raise SourceUnavailableError(
                f"Listener {listener.url} does not answer in time: is it overloaded or hanging?"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise SourceUnavailableError(_cannot_be_reached(listener.url, error)) from error
        except ValueError as error:
            raise SourceUnavailableError(f"Listener {listener.url} gave an unusable answer: {error}") from None
        listener.last_success = self._clock()
        listener.error = None
        return self._keep(listener, snapshot, response.headers.get("ETag", ""))

    def _keep(self, listener: _Listener, snapshot: Snapshot | None, etag: str) -> bool:
        if snapshot is None:
            return False
        is_new = snapshot != listener.snapshot
        if is_new:
            listener.warn_if_plain(snapshot)
            listener.snapshot = snapshot
            if listener.saved:
                listener.saved.save_soon(snapshot)
        else:
            # The same world under a new name: whoever has programmed it has programmed it under this name too.
            for etags in self._etags.values():
                if etags.get(listener.url) == listener.etag:
                    etags[listener.url] = etag
        listener.etag = etag
        return is_new

    async def _get(self, listener: _Listener, wait: float) -> tuple[httpx.Response, bytes]:
        headers = {"If-None-Match": listener.etag} if listener.etag else {}
        parameters = self._parameters(listener, wait)
        response, body = await self._read(listener, _PATH, parameters, headers)
        listener.is_legacy = response.status_code == httpx.codes.NOT_FOUND
        if listener.is_legacy:
            response, body = await self._read(listener, SERVICES_PATH, {}, {})
        if response.status_code not in (httpx.codes.OK, httpx.codes.NOT_MODIFIED):
            raise SourceUnavailableError(_refusal(listener.url, response))
        return response, body

    async def _read(
        self, listener: _Listener, path: str, parameters: dict[str, str], headers: dict[str, str]
    ) -> tuple[httpx.Response, bytes]:
        async with self._client.stream("GET", listener.url + path, params=parameters, headers=headers) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
            return response, bytes(body)

    def _parameters(self, listener: _Listener, wait: float) -> dict[str, str]:
        parameters = {
            "wait": f"{wait:g}" if wait else "",
            "replica": self._replica,
            "programmed": self._etags.get(self._programmed, {}).get(listener.url, ""),
            "conditions": self._conditions,
        }
        return {name: value for name, value in parameters.items() if value}


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The union of several worlds, sorted by name.

    Of services with equal names the older one stays, of certificates the one that was put last.
    """
    worlds = list(snapshots)
    if len(worlds) == 1:
        return worlds[0]
    by_name: dict[str, SwarmService] = {}
    for service in (service for world in worlds for service in world.services):
        by_name[service.name] = min(by_name.get(service.name, service), service, key=_age)
    certificates = sorted((each for world in worlds for each in world.certificates), key=_freshness)
    newest = {each.name: each for each in certificates}
    return Snapshot(
        services=tuple(by_name[name] for name in sorted(by_name)),
        certificates=tuple(newest[name] for name in sorted(newest)),
    )


def _proof(token: str | None, word: str) -> dict[str, str]:
    """Return the headers that tell a listener who asks."""
    if token:
        return {"Authorization": f"Bearer {token}"}
    return {HEADER: word} if word else {}


def _freshness(certificate: StoredCertificate) -> tuple[float, str, int]:
    return certificate.put_at.timestamp(), certificate.content, certificate.version


def _age(service: SwarmService) -> tuple[float, str]:
    return service.created_at.timestamp(), service.id


def _decoded(listener: _Listener, body: bytes) -> Snapshot:
    return decode_services(body) if listener.is_legacy else listener.reader.read(body)


def _refusal(url: str, response: httpx.Response) -> str:
    advice = _ADVICE.get(response.status_code, "see its log")
    return f"Listener {url} refuses with status {response.status_code}: {advice}"


def _cannot_be_reached(url: str, error: Exception) -> str:
    if isinstance(error, ChannelError):
        return f"Listener {url} cannot be talked to: {error}"
    cause = str(error) or type(error).__name__
    return (
        f"Listener {url} cannot be reached ({cause}): check that it runs, that LISTENER_ADDRESS is right, "
        "and that proxy and listener share a network"
    )


def _file_name(address: str) -> str:
    parts = urlsplit(listener_url(address))
    safe = "".join(char if char.isalnum() or char in "-." else "_" for char in parts.netloc)
    return f"listener-{safe}.json"
