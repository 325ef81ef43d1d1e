"""``swarmgate render`` and ``plan``, as an operator runs them beside a proxy: what they say comes true."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from binaries import haproxy_binary
from roles.conftest import MakeProxy
from roles.processes import STARTED, SWARMGATE, Proxy, eventually, plain, put, stack

from controller.haproxy.runtime import session

CONDITIONAL = {"serviceHeader": "X-V:1"}


def swarmgate(*arguments: object, status: int = 0, text: str = "", **environment: str) -> str:
    """Run a command and return what it writes."""
    done = subprocess.run(
        [SWARMGATE, *map(str, arguments)],
        input=text,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=STARTED,
        check=False,
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def proxy(make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int) -> Proxy:
    """A ready proxy with one service."""
    put(stack_file, {"web": plain(backend, "/web")})
    made = make_proxy(newest, "--stack-file", str(stack_file))
    eventually(made.ready, "the proxy is ready")
    return made


def state_of(proxy: Proxy) -> Path:
    """Return the state folder of a proxy, once it has kept its world there."""
    state = proxy.home / "state"
    eventually((state / "snapshot.json").exists, "the world is kept")
    return state


def plan_of(proxy: Proxy, services: dict[str, dict[str, object]], *arguments: str, status: int = 0) -> str:
    """Return the plan for services that are deployed beside those that a proxy knows, as it is written."""
    where = ("--stack", "", "--state-dir", state_of(proxy))
    binary = proxy.environment["HAPROXY_BINARY"]
    return swarmgate("plan", "-", *where, *arguments, status=status, text=stack(services), HAPROXY_BINARY=binary)


@pytest.mark.haproxy
def test_what_is_planned_comes_true(proxy: Proxy, stack_file: Path, backend: int) -> None:
    """Whether it takes a reload and why; nothing is changed by asking."""
    new = {"shop": plain(backend, "/shop", users="ann:sesame")}
    found = json.loads(plan_of(proxy, new, "--json"))
    assert found["outcome"] == "runtime"
    assert {"BackendAdded", "BackendPublished", "ServerAdded", "MapChanged"} <= {
        each["change"] for each in found["changes"]
    }
    assert "+/shop shop-be" in found["diff"]
    assert "sesame" not in json.dumps(found)
    assert proxy.get("/v1/services/shop").status_code == 404
    before = proxy.reloads

    put(stack_file, {"web": plain(backend, "/web"), **new})
    eventually(lambda: proxy.get("/v1/services/shop").is_success, "the service is there")
    assert proxy.reloads == before

    found = json.loads(plan_of(proxy, {"web": plain(backend, "/web", **CONDITIONAL)}, "--json"))
    assert (found["outcome"], [*found["reload_reasons"]]) == ("reload", ["settings"])
    assert "req.hdr(X-V)" in found["diff"]


@pytest.mark.haproxy
def test_a_plan_for_people(proxy: Proxy, backend: int) -> None:
    """Whether HAProxy is reloaded, what is done in which order, and which labels are wrong."""
    told = plan_of(proxy, {"shop": plain(backend, "/shop"), "bad": plain(backend, "/bad", prot=1)}, status=1)
    assert "no reload" in told
    assert told.index("BackendAdded") < told.index("BackendPublished") < told.index("MapChanged")
    assert "did you mean com.df.port?" in " ".join(told.split())
    assert "Nothing changes" in plan_of(proxy, {"web": plain(backend, "/web")})
    assert f"/web web-be{backend}_0\n" in swarmgate("render", STATE_DIR=str(state_of(proxy)))


@pytest.mark.haproxy
def test_what_the_proxy_has_still_to_do(proxy: Proxy, stack_file: Path) -> None:
    """Nothing, most often; what was changed behind its back is to be put right."""
    run = proxy.home / "run"
    here = {"STATE_DIR": str(state_of(proxy)), "RUN_DIR": str(run), "STACK_FILE": str(stack_file)}
    here |= {name: proxy.environment[name] for name in ("DEFAULT_PORTS", "HAPROXY_BINARY")}
    assert json.loads(swarmgate("plan", "--json", **here))["outcome"] == "noop"
    asyncio.run(ask_haproxy(run / "runtime.sock", "del map maps/prefixes.map /web"))
    found = json.loads(swarmgate("plan", "--json", **here))
    assert (found["outcome"], [each["change"] for each in found["changes"]]) == ("runtime", ["MapChanged"])
    assert "/web" in found["changes"][0]["entries"]


def test_without_a_proxy_there_is_nothing_to_do(tmp_path: Path) -> None:
    swarmgate("plan", status=2, STATE_DIR=str(tmp_path), RUN_DIR=str(tmp_path))


async def ask_haproxy(runtime_socket: Path, command: str) -> None:
    async with session(runtime_socket) as runtime:
        await runtime.ask(command)


@pytest.mark.haproxy
def test_what_is_rendered_is_what_haproxy_loads(tmp_path: Path) -> None:
    """With what is secret; without, nothing of it is anywhere, and keys never are."""
    file = tmp_path / "shop.yml"
    file.write_text(
        stack({"web": plain(80, "/web", users="ann:sesame", setReqHeader="X-Key sesame")}), encoding="utf-8"
    )
    ports = {"DEFAULT_PORTS": "8080"}
    for arguments, shown in ((("--with-secrets",), True), ((), False)):
        folder = tmp_path / f"out{shown}"
        done = subprocess.run(
            [SWARMGATE, "render", "--stack-file", file, "--output", folder, *arguments],
            env={"PATH": "/usr/bin:/bin", **ports},
            capture_output=True,
            text=True,
            timeout=STARTED,
            check=True,
        )
        assert done.stdout == ""
        assert ("sesame" in (folder / "haproxy.cfg").read_text()) is shown
        assert not (folder / "certs").exists()
        assert "/web shop_web-be80_0\n" in (folder / "maps" / "prefixes.map").read_text()
        assert (folder / "haproxy.cfg").stat().st_mode & 0o077 == 0
    whole = tmp_path / "outTrue" / "haproxy.cfg"
    checked = subprocess.run([haproxy_binary("2.8"), "-c", "-f", whole], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_rendered_to_standard_output(tmp_path: Path) -> None:
    """Each file under its name, as text or JSON; a service that is left out is told."""
    file = tmp_path / "shop.yml"
    file.write_text(stack({"web": plain(80, "/web"), "bad": plain(80, "/bad", prot=1)}), encoding="utf-8")
    text = swarmgate("render", "--stack-file", file, status=1)
    assert "# ---- maps/prefixes.map\n/web shop_web-be80_0\n" in text
    found = json.loads(swarmgate("render", "--stack-file", file, "--json", status=1))
    assert found["files"]["maps/prefixes.map"] == "/web shop_web-be80_0\n"
    assert [*found["refused"]] == ["shop_bad"]
    swarmgate("render", "--listener-address", "127.0.0.1:1", status=2)
