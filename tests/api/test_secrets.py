"""No secret is in anything that the API answers or the roles write, but for the snapshot and the proxy's own files."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from api.planted import API_TOKEN, KNOWN, LISTENER_TOKEN, SECRETS, World, leaks, planted
from failures.conftest import home, origin
from roles.processes import ask, eventually

__all__ = ["home", "origin"]
AUTHORISED = {"/v1/snapshot", "/v1/docker-flow-swarm-listener/get-services"}
"""Paths on which a listener tells its proxies everything."""


@pytest.fixture(scope="module")
def world(home: Path, origin: int) -> Iterator[World]:
    """A world full of secrets."""
    with planted(home, origin) as made:
        yield made


def test_secrets_are_in_force(world: World) -> None:
    """What is looked for is there to be found."""
    for path, user in (("/users", ("ann", "users")), ("/named", ("sue", "usersSecret")), ("/put", ("kim", PUT))):
        assert world.proxy.status(path) == 401
        basic = ask(f"http://127.0.0.1:{world.proxy.http}{path}", auth=(user[0], SECRETS[user[1]]))
        assert basic.status_code == 200, path
    known = {"Authorization": f"Bearer {LISTENER_TOKEN}"}
    snapshot = ask(world.url("listener") + "/v1/snapshot", headers=known)
    assert {"users", "serviceCert", "addReqHeader", "backendExtra, a test", PUT} <= set(leaks(snapshot.content))
    reasons = {name: world.proxy.condition(name, "Programmed").get("reason") for name in ("users", "extra", "refused")}
    assert reasons == {"users": "Programmed", "extra": "Programmed", "refused": "ConfigRejected"}


PUT = "put through the API"


@pytest.mark.parametrize("token", [None, API_TOKEN, LISTENER_TOKEN], ids=["nobody", "an operator", "a proxy"])
@pytest.mark.parametrize("role", ["proxy", "listener"])
def test_no_answer_has_one(world: World, role: str, token: str | None) -> None:
    """Whatever can be read, whoever reads it; only proxies get the world."""
    paths = ask(f"{world.url(role)}/openapi.json").json()["paths"]
    readable = [path for path, methods in paths.items() if "get" in methods]
    named = [path.replace("{name}", name) for path in readable for name in ("users", "refused", "bad-header", "put")]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for path in {*named, "/v1/docker-flow-proxy/config?type=json", "/openapi.json", "/docs"}:
        answer = ask(world.url(role) + path, headers=headers, timeout=20)
        whole = repr((answer.status_code, answer.headers)).encode() + answer.content
        is_world = path in AUTHORISED and token == LISTENER_TOKEN
        assert bool(leaks(whole)) == is_world, (path, leaks(whole))


def test_no_page_has_one(world: World) -> None:
    """Whichever service it shows, with what became of it, and whatever URL is tried on it."""
    names = [each["name"] for each in world.proxy.get("/v1/services").json()]
    assert {"users", "refused", "bad-header", "put"} <= set(names)
    services = [f"/ui/services/{name}" for name in names]
    tried = [f"/ui/routes?url=http%3A%2F%2Flabel.example%2F{name}" for name in names]
    for path in ("/ui", "/ui/services", "/ui/routes", "/ui/certificates", "/ui/history", *services, *tried):
        answer = ask(world.url("proxy") + path, timeout=20)
        assert answer.status_code == 200, path
        assert leaks(repr(answer.headers).encode() + answer.content) == [], path
    shown = ask(f"{world.url('proxy')}/ui/services/users").text
    assert "com.df.users" in shown
    assert "/users" in shown


def test_no_answer_to_a_change_has_one(world: World) -> None:
    """Nor what is said to whoever declared it, or tried to."""
    url = world.url("proxy")
    labels = {"servicePath": "/again", "port": "80", "outboundHostname": "127.0.0.1", "users": f"kim:{SECRETS[PUT]}"}
    extra = f"http-request set-header X-A {SECRETS['backendExtra, a header']}"
    for more in ({}, {"backendExtra": extra}, {"addReqHeader": f"X-A {SECRETS['addReqHeader']}"}, {"port": "x"}):
        answers = (
            ask(f"{url}/v1/services/again", "PUT", json=labels | more, headers=KNOWN, timeout=20),
            ask(
                f"{url}/v1/docker-flow-proxy/reconfigure",
                params={"serviceName": "again", **labels, **more},
                headers=KNOWN,
                timeout=20,
            ),
            ask(f"{world.url('listener')}/v1/services/again", "PUT", json=[labels | more], headers=KNOWN, timeout=20),
        )
        assert [leaks(answer.content) for answer in answers] == [[], [], []], more
    ask(f"{url}/v1/services/again", "DELETE", headers=KNOWN, timeout=20)


def test_no_log_has_one(world: World) -> None:
    """Of either role, at the level that tells most; a refused configuration is shown without them."""
    eventually(lambda: "has not accepted a notification" in world.listener.words(), "a notification failed")
    eventually(lambda: "HAProxy refused a configuration" in world.proxy.words(), "a configuration is refused")
    for role in world.roles.values():
        assert leaks(role.words().encode()) == []


def test_no_command_line_has_one(world: World) -> None:
    """Of any process on the machine."""
    seen = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes()
        except OSError:  # it has just ended
            continue
        seen += f"{world.home}/".encode() in line
        assert leaks(line) == [], line
    assert seen >= 2, "the proxy's HAProxy is among them"


def test_files_that_have_one_are_for_their_owner(world: World) -> None:
    """They are in the folders for state and sockets, and nobody else can read or enter these."""
    given = {world.home / "secrets", world.home / "certs"}
    own = {world.home / "listener", world.proxy.home / "state", world.proxy.home / "run"}
    found = [
        path for path in world.home.rglob("*") if path.is_file() and not given & {*path.parents} and _has_secret(path)
    ]
    assert any(path.name == "haproxy.cfg" for path in found)
    for path in found:
        assert own & {*path.parents}, path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    folders = {folder for root in own for folder in (root, *root.rglob("*")) if folder.is_dir()}
    assert {str(folder) for folder in folders if stat.S_IMODE(folder.stat().st_mode) != 0o700} == set()


def _has_secret(path: Path) -> bool:
    return bool(leaks(path.read_bytes()))
