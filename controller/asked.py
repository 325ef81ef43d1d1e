"""How a listener knows that it is a proxy's controller who asks, and not a client whose request HAProxy has passed on.

Both come from the same address. So the controller sends a random word with its request, and the listener asks back, at
the port of that proxy's API: have you sent this? Only the word's digest is told there.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

HEADER = "Swarmgate-Word"
PATH = "/v1/asked"


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
