"""Passwords in every printable character let their users in, and nobody else, on a real HAProxy."""

import base64
import string
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import rendered_of, service, snapshot
from traffic import Answer, ask, request_bytes, running_haproxy

from models.settings import ProxySettings

CHARACTERS = [sign for sign in string.printable if sign.isprintable() and sign != ","] + ["é", "€", "\N{PILE OF POO}"]
PASSWORDS = [f"a{sign}b" for sign in CHARACTERS] + [sign * 2 for sign in CHARACTERS if sign != " "]
PASSWORDS += ["'\\''", "$(id)", "${HOME}", "%[env(HOME)]", "\\n", "\\", "#", "a:b", "{{ x }}", '"', "'", "a' if TRUE #"]
HASHES = {
    "md5": "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    "sha-256": "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    "sha-512": "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
}
"""The word ``secret``, as ``mkpasswd`` hashes it."""
LET_IN = 503
"""What a service without servers answers to whom it lets in."""


def login(user: str, password: str) -> bytes:
    """Return a request with credentials for the service ``web``."""
    words = base64.b64encode(f"{user}:{password}".encode()).decode()
    return request_bytes("/web", "x.com", f"Authorization: Basic {words}")


async def answers_of(version: str, settings: ProxySettings, requests: list[bytes], folder: Path) -> list[Answer]:
    """Send requests to a HAProxy that has one service, without servers."""
    rendered = rendered_of(snapshot(service(tasks=0)), settings=settings)
    with running_haproxy(haproxy_binary(version), rendered, folder) as port:
        return await ask(port, requests)


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_password_lets_its_user_in(version: str, folder: Path) -> None:
    """Quotes, backslashes, number signs, percent signs and dollars are characters like all others."""
    users = ",".join(f"u{number}:{password}" for number, password in enumerate(PASSWORDS))
    requests = [login(f"u{number}", password) for number, password in enumerate(PASSWORDS)]
    answers = await answers_of(version, ProxySettings(users=users), requests, folder)
    assert {password: answer.status for password, answer in zip(PASSWORDS, answers, strict=True)} == dict.fromkeys(
        PASSWORDS, LET_IN
    )


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_any_other_password_does_not(version: str, folder: Path) -> None:
    """What is asked for is the realm of the proxy's users."""
    attempts = [
        ("ann", "Secret"),
        ("ann", ""),
        ("ann", "secret "),
        ("bob", "secret"),
        ("", "secret"),
        ("ann", HASHES["md5"]),
    ]
    requests = [request_bytes("/web", "x.com"), *(login(*attempt) for attempt in attempts)]
    answers = await answers_of(version, ProxySettings(users="ann:secret"), requests, folder)
    assert {answer.status for answer in answers} == {401}
    assert answers[0].headers["www-authenticate"] == 'Basic realm="defaultRealm"'


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_hashes(version: str, folder: Path) -> None:
    """Each form of crypt(3) that mkpasswd makes is understood, and is no password itself."""
    users = ",".join(f"{name}:{words}" for name, words in HASHES.items())
    requests = [login(name, password) for name, words in HASHES.items() for password in ("secret", "other", words)]
    settings = ProxySettings(users=users, users_pass_encrypted=True)
    answers = await answers_of(version, settings, requests, folder)
    assert [answer.status for answer in answers] == [LET_IN, 401, 401] * len(HASHES)


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_statistics_page(version: str, folder: Path) -> None:
    """Its user and password may have any characters as well, and it is there for nobody else."""
    settings = ProxySettings(stats_user="an' n", stats_pass='it\'s 100% "$HOME" #1 \\', stats_uri="/admin?stats")
    words = base64.b64encode(f"{settings.stats_user}:{settings.stats_pass.get_secret_value()}".encode()).decode()
    requests = [
        request_bytes("/admin?stats", "x.com"),
        request_bytes("/admin?stats", "x.com", f"Authorization: Basic {words}", "Connection: close"),
    ]
    answers = await answers_of(version, settings, requests[:1], folder / "a")
    answers += await answers_of(version, settings, requests[1:], folder / "b")
    assert [answer.status for answer in answers] == [401, 200]


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_no_statistics_page_without_credentials(version: str, folder: Path) -> None:
    """Nothing is there that was not asked for."""
    (answer,) = await answers_of(version, ProxySettings(), [request_bytes("/admin?stats", "x.com")], folder)
    assert answer.status == 503
