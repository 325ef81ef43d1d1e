"""How a listener knows that it is a proxy's controller who asks, and not a client whose request HAProxy has passed on.

Both come from the same address. So the controller sends a random word with its request, and the listener asks back, at
the port of that proxy's API: have you sent this? Only the word's digest is told there.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

import httpx

HEADER = "Swarmgate-Word"
PATH = "/v1/asked"
_LIMIT = 2.0
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Word:
    """A random word that only this process and its listeners know."""

    text: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def is_digest(self, digest: str) -> bool:
        """Return whether a digest is that of the word."""
        return hmac.compare_digest(digest.encode(), digest_of(self.text).encode())


def digest_of(word: str) -> str:
    """Return a digest that does not tell the word."""
    return hashlib.sha256(word.encode()).hexdigest()


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
