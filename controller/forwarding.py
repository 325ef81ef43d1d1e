"""`ForwardingKeeper`: a proxy's way to have something kept in the Swarm, by its listeners."""

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import httpx
import structlog
from pydantic import SecretStr, TypeAdapter

from controller.channel import ChannelFiles, mounts
from controller.declarations import DeclarationRefusedError, Receipt
from controller.errors import SourceUnavailableError
from controller.listener_address import listener_url
from controller.published import ReplicaState
from models.snapshot import StoredCertificate

log = structlog.get_logger()

_LIMIT = 15.0
_REPLICAS_LIMIT = 2.0
"""Seconds that whoever looks at a page waits."""
_REPLICAS = TypeAdapter(list[ReplicaState])
_PASSED_ON = {"PUT": frozenset({409, 500, 503}), "DELETE": frozenset({500, 503})}
"""What a listener may answer that says something to whoever asked here; all else is between the two of us."""
_BAD_GATEWAY = 502


class ForwardingKeeper:
    """Hands declarations on to the listeners at ``addresses``, with the API token that admitted them here.

    A service is declared at the first listener that answers (several of one Swarm are interchangeable), and undeclared
    at all of them. A certificate is kept by all that answer: they are all asked for it, whatever Swarm they are in.
    """

    def __init__(
        self, addresses: Iterable[str], token: SecretStr | None, *, channel: ChannelFiles | None = None
    ) -> None:
        self._urls = tuple(map(listener_url, addresses))
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=_LIMIT, trust_env=False, mounts=mounts(channel))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def put(self, name: str, labels: Mapping[str, str]) -> Receipt:
        """Have a service kept; see `Keeper.put`."""
        failures = []
        for url in self._urls:
            try:
                return _receipt(url, await self._ask("PUT", url, f"services/{quote(name, safe='')}", dict(labels)))
            except httpx.HTTPError as error:
                failures.append(f"{url} ({str(error) or type(error).__name__})")
        raise DeclarationRefusedError(f"no listener can be reached: {', '.join(failures)}")

    async def remove(self, name: str) -> Receipt | None:
        """Have a service forgotten; see `Keeper.remove`."""
        return await self._remove(f"services/{quote(name, safe='')}")

    async def put_certificate(self, certificate: StoredCertificate) -> Receipt:
        """Have a certificate kept by every listener that can be reached.

        Raises:
            DeclarationRefusedError: a listener refuses it, or none can be reached.
        """
        path = f"certificates/{quote(certificate.name, safe='')}"
        body = certificate.model_dump(mode="json", include={"content", "sealed", "put_at"})
        receipts, failures = [], []
        for url in self._urls:  # one after the other: of two of one Swarm the second finds it kept
            try:
                receipts.append(_receipt(url, await self._ask("PUT", url, path, body)))
            except httpx.HTTPError as error:
                failures.append(f"{url} ({str(error) or type(error).__name__})")
        if not receipts:
            raise DeclarationRefusedError(f"no listener can be reached: {', '.join(failures)}")
        if failures:
            log.warning("Certificate not kept by all listeners", certificate=certificate.name, failures=failures)
        return _together(receipts)

    async def remove_certificate(self, name: str) -> Receipt | None:
        """Have a certificate forgotten by every listener; None if none of them knew it.

        Raises:
            DeclarationRefusedError: a listener cannot be reached, or refuses.
        """
        return await self._remove(f"certificates/{quote(name, safe='')}")

    async def behind(self, receipt: Receipt, *, limit: float) -> tuple[str, ...]:
        """Wait for the replicas that ask the listeners; see `Replicas.behind`."""
        asked = (self._behind_at(url, etag, limit) for url, etag in receipt.published.items())
        return tuple(sorted({name for names in await asyncio.gather(*asked) for name in names}))

    async def replicas(self) -> tuple[ReplicaState, ...]:
        """Return what the listeners know of all replicas; of one that several know, what the first one says.

        Raises:
            SourceUnavailableError: no listener tells.
        """
        told = await asyncio.gather(*map(self._replicas_at, self._urls))
        if all(states is None for states in told):
            raise SourceUnavailableError(f"no listener tells of replicas: {', '.join(self._urls)}")
        found = (state for states in reversed(told) for state in reversed(states or ()))
        return tuple(sorted({state.replica: state for state in found}.values(), key=lambda state: state.replica))

    async def _replicas_at(self, url: str) -> list[ReplicaState] | None:
        try:
            response = await self._client.get(f"{url}/v1/replicas", timeout=_REPLICAS_LIMIT)
            return _REPLICAS.validate_json(response.raise_for_status().content)
        except (httpx.HTTPError, ValueError):
            return None

    async def _behind_at(self, url: str, etag: str, limit: float) -> list[str]:
        try:
            response = await self._client.get(f"{url}/v1/replicas", params={"since": etag, "wait": f"{limit:g}"})
            replicas = response.raise_for_status().json()
            return [f"{each['replica']} ({each['address']})" for each in replicas if each["awaited"]]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("Listener does not tell what the replicas have programmed", listener=url, error=str(error))
            return [f"those that {url} knows and does not tell of"]

    async def _remove(self, path: str) -> Receipt | None:
        receipts = []
        for url in self._urls:
            try:
                response = await self._ask("DELETE", url, path, None)
            except httpx.HTTPError as error:
                words = str(error) or type(error).__name__
                raise DeclarationRefusedError(f"the listener {url} cannot be reached: {words}") from error
            if response.is_success:
                receipts.append(_receipt(url, response, gone=True))
        return _together(receipts) if receipts else None

    async def _ask(self, method: str, url: str, path: str, body: dict[str, str] | None) -> httpx.Response:
        response = await self._client.request(method, f"{url}/v1/{path}", json=body)
        if response.is_success or (method == "DELETE" and response.status_code == httpx.codes.NOT_FOUND):
            return response
        status = response.status_code if response.status_code in _PASSED_ON[method] else _BAD_GATEWAY
        raise DeclarationRefusedError(f"the listener {url} says: {_words(response)}", status=status)


def _receipt(url: str, response: httpx.Response, *, gone: bool = False) -> Receipt:
    try:
        said = response.json()
        return Receipt(0 if gone else int(said["version"]), {url: str(said["etag"])})
    except (ValueError, KeyError, TypeError):
        raise DeclarationRefusedError(f"the listener {url} gave an unusable answer", status=_BAD_GATEWAY) from None


def _together(receipts: Iterable[Receipt]) -> Receipt:
    found = list(receipts)
    published = {url: etag for receipt in found for url, etag in receipt.published.items()}
    return Receipt(max(receipt.version for receipt in found), published)


def _words(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
