"""What answers at a proxy's port before there is an API."""

import asyncio

import httpx
from starlette.responses import PlainTextResponse

from controller.asked import PATH, Word, digest_of
from controller.http.answers.probes import Readiness
from controller.http.front import Front

NOT_YET = Readiness(ready=False, message="the first convergence is not complete yet")


def asking(front: Front) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://proxy.test")


async def test_probes_are_answered_before_there_is_an_api() -> None:
    """Whoever waits for a proxy to be ready is told at once whether it is: that does not depend on the API."""
    states = [NOT_YET, Readiness(ready=True)]
    async with asking(Front(Word(), lambda: states.pop(0))) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        first, second = await client.get("/readyz"), await client.get("/readyz")
    assert (first.status_code, first.json()) == (503, NOT_YET.model_dump())
    assert (second.status_code, second.json()) == (200, {"ready": True})


async def test_all_else_waits_for_the_api_which_then_answers_probes_too() -> None:
    front = Front(Word(), lambda: NOT_YET)
    async with asking(front) as client:
        waiting = asyncio.create_task(client.get("/v1/services"))
        assert (await client.get(f"{PATH}/strange")).status_code == 404
        await asyncio.sleep(0.01)
        assert not waiting.done()
        front.open(PlainTextResponse("the API"), lambda: None)
        assert (await waiting).text == "the API"
        assert (await client.get("/readyz")).text == "the API"


async def test_only_who_reads_is_answered_at_once() -> None:
    word = Word()
    front = Front(word, lambda: NOT_YET)
    front.open(PlainTextResponse("the API"), lambda: None)
    async with asking(front) as client:
        path = f"{PATH}/{digest_of(word.text)}"
        assert (await client.get(path)).json() == {"status": "ok"}
        assert (await client.post(path)).text == "the API"
