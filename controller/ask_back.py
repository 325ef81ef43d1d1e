"""`AskBack`: a listener's question to whoever asked it: have you sent this word (`controller.asked`)?"""

from collections import OrderedDict

import httpx

from controller.asked import PATH, digest_of

_LIMIT = 2.0
_REMEMBERED = 1024


class AskBack:
    """Asks proxies, at ``port`` of their address, whether a word is theirs; what was true once stays so."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._client = httpx.AsyncClient(timeout=_LIMIT, trust_env=False, follow_redirects=False)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def has_asked(self, address: str, word: str) -> bool:
        """Return whether the controller at an address has sent a word."""
        key = address, digest_of(word)
        if not word:
            return False
        if key not in self._known and not await self._confirms(*key):
            return False
        self._known[key] = None
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return True

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def _confirms(self, address: str, digest: str) -> bool:
        host = f"[{address}]" if ":" in address else address
        try:
            answer = await self._client.get(f"http://{host}:{self._port}{PATH}/{digest}")
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.status_code == httpx.codes.OK
