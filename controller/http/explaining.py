"""The path where the proxy explains what becomes of a request; nothing is sent for it."""

from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Response

from controller.http.answers.needs import VALID, described, need
from controller.http.showing import shown
from controller.status import StatusStore
from models.explaining.asked import MOST_CHARACTERS, MOST_HEADERS, asked_of
from models.explaining.explain import explain
from models.explaining.explanation import Explanation
from models.settings import ProxySettings

PATH = "/v1/explain"

_NO_REQUEST = need(400, "No request can be like that; the message says why")
_Url = Annotated[
    str,
    Query(max_length=MOST_CHARACTERS, description="What is asked for.", examples=["https://shop.example.com/cart"]),
]
_Method = Annotated[str, Query(max_length=64, description="The method.")]
_Headers = Annotated[
    list[Annotated[str, Query(max_length=1000)]],
    Query(
        max_length=MOST_HEADERS,
        description="Headers, each as `Name: value`, as often as wanted.",
        examples=[["X-Version: 3"]],
    ),
]
_Source = Annotated[
    str,
    Query(alias="from", max_length=64, description="The address that connects to the proxy.", examples=["192.0.2.7"]),
]


def add_explain(app: FastAPI, status: StatusStore, settings: ProxySettings) -> None:
    """Add the path to the proxy's application; what is explained is what HAProxy runs."""

    @app.get(
        PATH,
        summary="What becomes of a request, and why",
        **described("What the proxy does with it", Explanation, _NO_REQUEST, VALID),
    )
    async def explained(
        url: _Url,
        method: _Method = "GET",
        header: _Headers = [],  # noqa: B006 - FastAPI copies it
        source: _Source = "",
    ) -> Response:
        try:
            asked = asked_of(url, method=method, headers=header, source=source or None)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return shown(explain(status.desired, settings, asked))
