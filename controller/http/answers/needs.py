"""What a path needs of a request, and so what it answers where that is not there.

A path's answers are put together from what it needs: `described` gives FastAPI all that it is to say of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from controller.http.answers.changes import Outcome
from controller.http.answers.refusals import InvalidRequest, Refusal

JSON = "application/json"
TEXT = "text/plain"
PEM = "application/x-pem-file"
_FAILED = 500

SECURITY: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "api token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token in the secret `dfp_api_token`.",
        },
        "api token header": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Api-Token",
            "description": "The same token, in a header of its own.",
        },
        "listener token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token in the secret `dfp_listener_token`; where there is none, the tasks of the "
            "proxy service are known by their addresses, and asked back.",
        },
    }
)
"""How a request says who it is from, in OpenAPI's words."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status means, and what the body is that comes with it, if any."""

    words: str
    body: type[BaseModel] | None = Refusal


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a path needs; ``refusals`` has what is answered where it is missing, by status.

    ``security`` has the names of the schemes any one of which will do; "" stands for none at all.
    """

    refusals: Mapping[int, Meaning]
    security: tuple[str, ...] = ()


def need(status: int, words: str, body: type[BaseModel] | None = Refusal, *, security: tuple[str, ...] = ()) -> Need:
    """Return a need with one refusal."""
    return Need({status: Meaning(words, body)}, security)


SHORT_URL = need(414, "The URL is too long")
JSON_BODY = Need(
    {
        400: Meaning("The body is no JSON in UTF-8, or goes too deep"),
        413: Meaning("The body is too large"),
    }
)
VALID = need(422, "A parameter or the body is not of the form that is described here", InvalidRequest)
OWN_PAGE = need(403, "A page of another site has sent the request")
TOKEN = need(
    403,
    "The token is missing or wrong, nobody may change anything here, or a page of another site has sent the request",
    security=("api token", "api token header"),
)
LISTENER_TOKEN = need(
    403,
    "Neither does the token fit nor is it the controller of a task of the proxy service who asks",
    security=("listener token",),
)
PUBLISHED = need(404, "No service of that name asks to be published")
DECLARED = need(404, "Nothing of that name was put through the API", Outcome)
IN_FORCE = need(500, "HAProxy does not run it in time, or not at all; the message says why", Outcome)
OWNED = need(409, "The service is declared by its own labels or by variables, which are to be changed instead", Outcome)
GOOD_LABELS = Need(
    {
        400: Meaning("The name or a label is wrong; all problems are listed", Outcome),
        409: Meaning("Somebody else has the name or the route, or nothing says which requests are meant", Outcome),
    }
)
GOOD_CERTIFICATE = Need(
    {
        400: Meaning("The name or the certificate is of no use, or HAProxy refuses it", Outcome),
        409: Meaning("The proxy shows the certificates of its own list (`CRT_LIST_PATH`) and no others", Outcome),
        413: Meaning("The certificate is too large", Outcome),
    }
)
KEEPER = Need(
    {
        502: Meaning("A listener that is to keep it refuses, or answers what nobody understands", Outcome),
        503: Meaning("Nobody who could keep it can be reached now; try again", Outcome),
    }
)


def described(
    means: str,
    body: Any,  # noqa: ANN401 - any type that FastAPI can describe
    *needs: Need,
    media: Iterable[str] = (JSON,),
    **more: Any,  # noqa: ANN401 - OpenAPI's
) -> dict[str, Any]:
    """Return what FastAPI is to be told of a path.

    ``means`` is what its good answer means, ``body`` the type of that (None for text), in one of the ``media`` types.
    ``more`` goes into the schema as it is.
    """
    needs = (*needs, SHORT_URL)
    content = {each: {} if each == JSON else {"schema": {"type": "string"}} for each in media}
    security: list[dict[str, list[str]]] = [{name: []} if name else {} for each in needs for name in each.security]
    return {
        "response_model": body,
        "response_model_exclude_unset": True,
        "responses": {200: {"description": means, "content": content}, **_refusals(needs)},
        "openapi_extra": more | ({"security": security} if security else {}),
    }


def _refusals(needs: Iterable[Need]) -> dict[int, dict[str, Any]]:
    """Return all refusals by status; where several needs are refused with the same one, it may mean any of them."""
    found: dict[int, list[Meaning]] = {}
    for each in needs:
        for status, meaning in each.refusals.items():
            found.setdefault(status, []).append(meaning)
    return {status: _joined(meanings) for status, meanings in sorted(found.items())}


def _joined(meanings: Iterable[Meaning]) -> dict[str, Any]:
    meanings = list(meanings)
    bodies = list(dict.fromkeys(meaning.body for meaning in meanings if meaning.body is not None))
    words = "; or: ".join(dict.fromkeys(meaning.words for meaning in meanings))
    return {"description": words} | ({"model": reduce(or_, bodies)} if bodies else {})


def with_body(body: type[BaseModel], *needs: Need) -> tuple[Need, ...]:
    """Return the same needs for an interface that has one body for all refusals, and no status above 500."""
    return tuple(
        Need({min(status, _FAILED): Meaning(known.words, body)}, each.security)
        for each in needs
        for status, known in each.refusals.items()
    )
