"""`ForwardingKeeper`: a proxy's way to have a service kept in the Swarm, by its listeners."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from controller.declarations import DeclarationRefusedError
from controller.sources.listener import listener_url

_LIMIT = 15.0


class ForwardingKeeper:
    """Hands declarations on to the listeners at ``addresses``, with the API token that admitted them here.

    A service is declared at the first listener that answers (several of one Swarm are interchangeable), and undeclared
    at all of them.
    """

    def __init__(self, addresses: Iterable[str], token: SecretStr | None) -> None:
        self._urls = tuple(map(listener_url, addresses))
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=_LIMIT, trust_env=False)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def put(self, name: str, labels: Mapping[str, str]) -> int:
        """Have a service kept; see `Keeper.put`."""
        failures = []
        for url in self._urls:
            try:
                response = await self._ask("PUT", url, name, dict(labels))
                return int(response.json()["version"])
            except httpx.HTTPError as error:
                failures.append(f"{url} ({str(error) or type(error).__name__})")
            except (ValueError, KeyError, TypeError):
                raise DeclarationRefusedError(f"the listener {url} gave an unusable answer", status=502) from None
        raise DeclarationRefusedError(f"no listener can be reached: {', '.join(failures)}")

    async def remove(self, name: str) -> bool:
        """Have a service forgotten; see `Keeper.remove`."""
        found = False
        for url in self._urls:
            try:
                response = await self._ask("DELETE", url, name, None)
            except httpx.HTTPError as error:
                words = str(error) or type(error).__name__
                raise DeclarationRefusedError(f"the listener {url} cannot be reached: {words}") from error
            found |= response.is_success
        return found

    async def _ask(self, method: str, url: str, name: str, labels: dict[str, str] | None) -> httpx.Response:
        response = await self._client.request(method, f"{url}/v1/services/{quote(name, safe='')}", json=labels)
        if response.is_success or (method == "DELETE" and response.status_code == httpx.codes.NOT_FOUND):
            return response
        raise DeclarationRefusedError(f"the listener {url} says: {_words(response)}", status=response.status_code)


def _words(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
