"""What is explained of a request is what HAProxy does with it: thousands of random requests to random worlds."""

import asyncio
import contextlib
import random
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from builders import MACHINE, snapshot
from explaining.worlds import random_request, random_services
from label_effects.edge import HERE, Origin, certificate
from traffic import Answer, Connect, Stream, ask, closing, request_bytes, running_haproxy

from controller.desired import build_desired
from controller.judging import judge
from models.explaining.asked import Asked
from models.explaining.explain import explain
from models.explaining.explanation import Answer as Answered
from models.explaining.explanation import Explanation
from models.settings import ProxySettings
from render.configuration import render
from render.files import Rendered

REQUESTS = 500
"""To each world."""
SERVICES = (6, 12, 24, 60)
"""In each world: with few of them most requests are nobody's, with many there is always a rival."""
BECOMES = "the path becomes "


def with_doors(rendered: Rendered, folder: Path) -> Rendered:
    """Have HAProxy listen on two sockets in the folder, by HTTP and by TLS, where a client says what its address is."""
    doors = "".join(
        f"    bind unix@{folder}/{name}.sock accept-proxy{options}\n"
        for name, options in (("http", ""), ("https", f" ssl crt {certificate(folder)}"))
    )
    first = re.search(r"^    bind \*:80 .*\n", rendered.config, re.MULTILINE)
    assert first is not None
    return replace(rendered, config=rendered.config[: first.end()] + doors + rendered.config[first.end() :])


def door(folder: Path, asked: Asked) -> Connect:
    """Return what connects as the client of a request, to the port that it is for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    family = "TCP6 {} ::1" if ":" in str(asked.source) else "TCP4 {} 127.0.0.1"
    line = f"PROXY {family.format(asked.source)} 40000 {443 if asked.secure else 80}\r\n"

    @contextlib.asynccontextmanager
    async def connected() -> AsyncIterator[Stream]:
        reader, writer = await asyncio.open_unix_connection(folder / f"{asked.scheme}.sock")
        async with closing(writer):
            writer.write(line.encode())
            if asked.secure:
                await writer.start_tls(context)
            yield reader, writer

    return connected


async def answers_of(folder: Path, requests: Iterable[Asked]) -> list[tuple[Asked, Answer]]:
    """Send requests, those of one client over one connection, and return the answers."""
    answered: list[tuple[Asked, Answer]] = []
    for _, some in groupby(sorted(requests, key=whence), key=whence):
        together = [*some]
        answers = await ask(door(folder, together[0]), map(sent, together))
        answered += zip(together, answers, strict=True)
    return answered


def whence(asked: Asked) -> tuple[str, str]:
    """Return what requests over one connection have in common."""
    return (asked.scheme, str(asked.source))


def sent(asked: Asked) -> bytes:
    """Return a request as a client sends it."""
    lines = [f"{name}: {value}" for name, value in asked.headers]
    return request_bytes(asked.target, asked.host, *lines, method=asked.method)


def disagreements(asked: Asked, explained: Explanation, answer: Answer) -> Iterator[str]:
    """Tell what HAProxy did otherwise."""
    backends = {share.backend for share in explained.shares} or {explained.backend}
    if answer.backend not in backends:
        yield f"{explained.backend} explained, {answer.backend} answered"
    if explained.shares and len(explained.shares) > 1:
        return  # what is explained further is of one of those that share the route
    if any(step.label.endswith("verifyClientSsl") for step in explained.steps):
        if answer.status != 403:
            yield f"{answer.status} answered to a client without a certificate"
        return
    is_checked = any(step.label.endswith(("users", "USERS")) and step.status is None for step in explained.steps)
    expected = {explained.status or 200} | ({401} if is_checked else set())
    if answer.status not in expected:
        yield f"{explained.status} explained, {answer.status} answered"
    if explained.location != answer.headers.get("location"):
        yield f"to {explained.location} explained, to {answer.headers.get('location')} answered"
    if answer.status == 200:
        path = answer.body.decode("latin-1").split(" ")[1].partition("?")[0]
        if path != sent_path(asked, explained):
            yield f"the path {sent_path(asked, explained)} explained, {path} sent"


def sent_path(asked: Asked, explained: Explanation) -> str:
    """Return the path that a service is sent, as explained."""
    paths = (each.message.removeprefix(BECOMES) for each in explained.steps if each.message.startswith(BECOMES))
    return next(paths, asked.path)


WORLDS = [
    pytest.param(ProxySettings(), False, id="all labels"),
    pytest.param(ProxySettings(), True, id="paths and domains"),
    pytest.param(ProxySettings(normalize_paths="false"), False, id="paths as they are"),
    pytest.param(ProxySettings(trusted_proxies="127.0.0.0/8,10.0.0.0/8"), False, id="behind proxies"),
]


@pytest.mark.parametrize(("settings", "plain"), WORLDS)
async def test_haproxy_does_what_is_explained(
    binary: Path, folder: Path, origin: Origin, settings: ProxySettings, *, plain: bool
) -> None:
    """Who answers, with which status, where a redirect leads, and which path is sent on."""
    dice = random.Random(20240211)
    wrong: list[tuple[int, Asked, list[str]]] = []
    kinds: Counter[object] = Counter()
    for number in SERVICES:
        world = snapshot(*random_services(dice, number, origin.port, plain=plain))
        desired = build_desired(judge(world, settings, forms={}, rejected={}), settings, HERE)
        requests = [random_request(dice) for _ in range(REQUESTS)]
        with running_haproxy(binary, with_doors(render(desired, settings, MACHINE), folder), folder) as port:
            await ask(port, [request_bytes("/", "ready.test")])
            answered = await answers_of(folder, requests)
        for asked, answer in answered:
            explained = explain(desired, settings, asked)
            kinds.update([explained.answer, explained.status])
            told = [*disagreements(asked, explained, answer)]
            wrong += [(number, asked, told)] if told else []
    assert wrong == []
    assert min(kinds[kind] for kind in (Answered.SERVICE, Answered.NOBODY, None, 403, 302, 503)) > 20, kinds
