"""Who may change things through the API, and how callers say who they are."""

import hmac
from dataclasses import dataclass
from typing import Literal

from fastapi import HTTPException, Request
from pydantic import SecretStr

from models.settings import Settings


@dataclass(frozen=True, slots=True)
class Writers:
    """Admits those who know the token or, if somebody accepted that (``API_WRITES=open``), everybody."""

    token: SecretStr | None = None
    mode: Literal["token", "open"] = "token"
    by_tls_only: bool = False

    @property
    def enabled(self) -> bool:
        """Whether anybody may change anything."""
        return self.mode == "open" or bool(self._known)

    @property
    def _known(self) -> str:
        return self.token.get_secret_value() if self.token else ""

    def knows(self, request: Request) -> bool:
        """Return whether the request bears the token."""
        return is_token(presented(request), self._known)

    def refusal(self, request: Request) -> str | None:
        """Return why the request may change nothing, with what to do about it; None if it may."""
        if is_foreign(request):
            return "the request was sent by a page of another site, and such a page may change nothing"
        if self.by_tls_only and not is_by_tls(request):
            return "what is changed here may be secret, so it is taken by TLS only (LISTENER_TLS_PORT)"
        if self.mode == "open" or self.knows(request):
            return None
        if not self._known:
            return (
                "changing things through the API is not enabled: mount a secret dfp_api_token in proxy and listener "
                "and send it as 'Authorization: Bearer <token>' or 'X-Api-Token: <token>' (or set API_WRITES=open, if "
                "everybody who can reach this port may change what is routed)"
            )
        if presented(request):
            return "the API token is wrong: it is the one in the secret dfp_api_token of the proxy"
        return "the API token is missing: send it as 'Authorization: Bearer <token>' or 'X-Api-Token: <token>'"

    async def require(self, request: Request) -> None:
        """Let the request pass, or answer 403 with what to do; for use as a dependency."""
        words = self.refusal(request)
        if words is not None:
            raise HTTPException(403, words)


def writers_of(settings: Settings, *, by_tls_only: bool = False) -> Writers:
    """Return who may change things."""
    return Writers(settings.api_token, settings.api_writes, by_tls_only)


def is_by_tls(request: Request) -> bool:
    """Return whether a request came by TLS to this very process, whose server then has the caller's certificate."""
    return request.url.scheme == "https"


def is_foreign(request: Request) -> bool:
    """Return whether a browser sends the request on behalf of a page from elsewhere, whoever its user is.

    Source: Fetch Metadata, ``Sec-Fetch-Site``; RFC 6454, ``Origin``. What is no browser sends neither.
    """
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    host = request.headers.get("host", "")
    origin = request.headers.get("origin", f"http://{host}")
    return origin.lower() not in {f"http://{host}".lower(), f"https://{host}".lower()}


def presented(request: Request) -> str:
    """Return the token that a request bears, right or wrong; empty if none. A cookie is none."""
    return bearer(request) or request.headers.get("x-api-token", "")


def bearer(request: Request) -> str:
    """Return the token in ``Authorization: Bearer <token>``; empty if none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip(" \t") if scheme.lower() == "bearer" else ""


def is_token(given: str, known: str) -> bool:
    """Return whether a header bears the known token; how long that takes does not tell how near it came."""
    return bool(known) and hmac.compare_digest(given.encode("latin-1"), known.encode())
