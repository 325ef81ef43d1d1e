"""`Explanation`: what becomes of a request, as data; nothing in it is secret, so no values of headers are."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from models.base import Frozen


class Answer(StrEnum):
    """Who answers a request."""

    SERVICE = "service"
    """A service has the route; `status` says if the proxy answers in its place."""
    CONNECTION = "connection"
    """A service gets the connection as it is, whatever is asked for on it."""
    PROXY = "proxy"
    """The proxy itself answers, on behalf of no service."""
    UNKNOWN = "unknown"
    """Nothing but HAProxy can tell: lines that somebody has written decide; `doubts` says whose."""
    NOBODY = "nobody"
    """No service has a route for it."""


class StepKind(StrEnum):
    """What is done with a request that has come to its service's backend."""

    REFUSED = "refused"
    REDIRECTED = "redirected"
    ASKED = "asked"
    """For something that is not known here: a password, a certificate, the number of former requests."""
    CHANGED = "changed"
    SENT = "sent"
    """To one of the servers."""


class Lost(StrEnum):
    """Why a claim that came close does not answer, the most telling first."""

    CONFLICT = "conflict"
    """An older service has exactly the same route."""
    CROWDED_OUT = "crowded-out"
    """There are too many routes with conditions."""
    TEST = "test"
    """Domain and path are right, and a condition does not hold."""
    PRIORITY = "priority"
    DOMAIN = "domain"
    """It would do, and a more specific domain goes before it."""
    PATH = "path"
    """It would do, and a more specific path goes before it."""
    TESTS = "tests"
    """It would do, and a route with more conditions goes before it."""
    NAME = "name"
    """It would do, and it comes later by its `aclName`."""
    OTHER_PATH = "other-path"
    """The domain is right, the path nearly."""
    OTHER_DOMAIN = "other-domain"
    """The path is right, the domain nearly."""
    REFUSED = "refused"
    """The service has no routes at all, since its labels are wrong."""


class Step(Frozen):
    """One thing that is done with the request on its way, in the order in which HAProxy does it."""

    kind: StepKind
    message: str
    label: Annotated[str, Field(description="The label that asks for it, or the variable.")] = ""
    status: Annotated[int | None, Field(description="The status of the answer that ends it here, if it does.")] = None
    location: Annotated[str | None, Field(description="Where a redirect leads to.")] = None


class Rival(Frozen):
    """A route that came close and does not answer."""

    service: str
    route: str
    reason: Lost
    message: str


class Share(Frozen):
    """A part of a route that several services share; `percent` of its requests."""

    service: str
    backend: str
    percent: int


class AskedView(Frozen):
    """The request as it was understood; its headers are not repeated."""

    method: str
    scheme: str
    host: str
    path: Annotated[str, Field(description="The path that rules go by, in its normal form.")]
    port: Annotated[int, Field(description="The port of the proxy that it comes to.")]
    source: Annotated[str | None, Field(description="The client's address, if it is known.")] = None


class Explanation(Frozen):
    """What becomes of a request and why."""

    request: AskedView
    answer: Answer
    message: Annotated[str, Field(description="The same in a sentence.")]
    service: str | None = None
    backend: str | None = None
    route: Annotated[str | None, Field(description="The route that answers, in words.")] = None
    servers: Annotated[tuple[str, ...], Field(description="`name address:port` of the backend's servers.")] = ()
    shares: Annotated[tuple[Share, ...], Field(description="Who shares the route, if several services do.")] = ()
    status: Annotated[
        int | None, Field(description="The status that the proxy itself answers with; none if the service does.")
    ] = None
    location: Annotated[str | None, Field(description="Where a redirect leads to.")] = None
    steps: Annotated[tuple[Step, ...], Field(description="What is done on the way, in order.")] = ()
    rivals: Annotated[tuple[Rival, ...], Field(description="Routes that came close, the most telling first.")] = ()
    problems: Annotated[
        tuple[str, ...],
        Field(description="What is wrong with the service that answers: what is in force may not be its labels."),
    ] = ()
    doubts: Annotated[tuple[str, ...], Field(description="What is not known here, and could change the answer.")] = ()
