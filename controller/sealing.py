"""Sealing certificates with their keys, so that only those who share the token can read what the Swarm keeps.

Equal text under an equal name is sealed to equal text (AES-SIV, RFC 5297), so whoever puts the same certificate again,
through whichever replica, changes nothing. The name is sealed in: what was sealed under one cannot be passed off under
another.
"""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from controller.errors import SwarmgateError

_MARK = "v1:"
_PURPOSE = b"swarmgate certificate v1"
_KEY_BYTES = 64


class SealError(SwarmgateError):
    """What was sealed cannot be read; the message says why, and has nothing of it."""


class Seal:
    """Seals with a key derived from the first of the ``tokens`` that there are (HKDF, RFC 5869), opens with any."""

    def __init__(self, *tokens: SecretStr | None) -> None:
        texts = (token.get_secret_value() for token in tokens if token is not None)
        self._keys = tuple(AESSIV(_key(text)) for text in dict.fromkeys(texts) if text)

    @property
    def is_there(self) -> bool:
        """Whether there is a token to seal with."""
        return bool(self._keys)

    def close(self, name: str, text: str) -> str:
        """Seal a text under a name; there must be a token."""
        sealed = self._keys[0].encrypt(text.encode(), [name.encode()])
        return _MARK + base64.b64encode(sealed).decode()

    def open(self, name: str, sealed: str) -> str:
        """Return the text that was sealed under a name.

        Raises:
            SealError: it was sealed with another token or under another name, or is no sealed text.
        """
        try:
            content = base64.b64decode(sealed.removeprefix(_MARK), validate=True)
        except ValueError:
            content = b""
        if not sealed.startswith(_MARK) or not content:
            raise SealError("is not sealed in a way that this version knows; put it again")
        for key in self._keys:
            try:
                return key.decrypt(content, [name.encode()]).decode()
            except (InvalidTag, UnicodeDecodeError):
                continue
        words = (
            "was sealed with another token than this proxy has" if self._keys else "is sealed, and there is no token"
        )
        raise SealError(f"{words} (LISTENER_TOKEN, or else API_TOKEN): give all proxies the same one, or put it again")


def _key(token: str) -> bytes:
    return HKDF(algorithm=SHA512(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(token.encode())
