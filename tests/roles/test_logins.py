"""Passwords that change while HAProxy runs: who may pass, at once, and at what cost."""

import base64
import socket
from pathlib import Path

from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, stack

SECRET_HASH = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
"""The word ``secret``, as ``mkpasswd`` hashes it."""
OTHER_HASH = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"
"""The same word, hashed in another way."""


def login(user: str, password: str) -> dict[str, str]:
    """Return the header by which somebody logs in."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def remembered(proxy: Proxy) -> int:
    """Return how many have passed with a password that had to be hashed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(proxy.home / "run" / "runtime.sock"))
        connection.sendall(b"show table table:logins\n")
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile().read().count("key=")


def test_users_change_without_a_reload(
    make_proxy: MakeProxy, binary: Path, stack_file: Path, backend: int, folder: Path
) -> None:
    """A password that was changed is refused, the next one accepted, and other services' users are others."""

    def put(password: str, **more: dict[str, object]) -> None:
        services = {"web": plain(backend, "/web", users=f"ann:{password}"), **more}
        (folder / "next.yml").write_text(stack(services), encoding="utf-8")
        (folder / "next.yml").replace(stack_file)

    put("one", shop=plain(backend, "/shop", users="ann:shop"))
    proxy = make_proxy(binary, "--stack-file", str(stack_file))
    eventually(proxy.ready, "the proxy is ready")
    stranger = proxy.through("/web")
    assert stranger.status_code == 401
    assert stranger.headers["www-authenticate"] == 'Basic realm="webRealm"'
    assert [proxy.status("/web", **login("ann", each)) for each in ("one", "two", "shop")] == [200, 401, 401]
    assert proxy.status("/shop", **login("ann", "shop")) == 200

    put("two", shop=plain(backend, "/shop", users="ann:shop"))
    eventually(lambda: proxy.status("/web", **login("ann", "two")) == 200, "the next password is accepted")
    eventually(lambda: proxy.status("/web", **login("ann", "one")) == 401, "the former one is refused")
    assert proxy.status("/shop", **login("ann", "shop")) == 200
    assert proxy.reloads == 0
    configuration = proxy.get("/v1/docker-flow-proxy/config").text
    files = "".join(path.read_text() for path in (proxy.home / "state" / "haproxy" / "current").rglob("*.*"))
    assert "shop" in configuration
    assert "ann:" not in files
    assert "'two'" not in files


def test_a_hashed_password_is_remembered_until_it_changes(
    make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int
) -> None:
    """It is hashed once for a client that comes again; a revoked one is not accepted because it once was."""

    def put(hashed: str, name: str) -> None:
        services = {"web": plain(backend, "/web", users=f"{name}:{hashed}", usersPassEncrypted="true")}
        stack_file.write_text(stack(services), encoding="utf-8")

    put(SECRET_HASH, "ann")
    proxy = make_proxy(newest, "--stack-file", str(stack_file))
    eventually(proxy.ready, "the proxy is ready")
    assert [proxy.status("/web", **login("ann", each)) for each in ("secret", "wrong", "secret", "wrong")] == [
        *(200, 401),
        *(200, 401),
    ]
    assert remembered(proxy) == 1

    put(OTHER_HASH, "bob")
    eventually(lambda: proxy.status("/web", **login("bob", "secret")) == 200, "bob may pass")
    assert proxy.status("/web", **login("ann", "secret")) == 401
