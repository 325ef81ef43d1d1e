"""Templates and the operator's lines, as those who write them meet them."""

import subprocess
from pathlib import Path

import pytest
from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, stack

from controller.init import MISCONFIGURED

ROUTE = "use_backend {{ backend }} if { path_beg /by-template }"


@pytest.fixture
def templates(folder: Path) -> Path:
    """The operator's folder of templates."""
    path = folder / "tmpl"
    path.mkdir()
    return path


@pytest.fixture
def proxy(make_proxy: MakeProxy, newest: Path, folder: Path, templates: Path, backend: int) -> Proxy:
    """A proxy of a plain service, and one whose routes are in a file that is not there yet."""
    services = {"web": plain(backend, "/web"), "own": plain(backend, "/unclaimed", templateFePath="own.tmpl")}
    (folder / "stack.yml").write_text(stack(services))
    made = make_proxy(
        newest, "--stack-file", str(folder / "stack.yml"), TEMPLATES_DIR=str(templates), RESYNC_INTERVAL="0.3"
    )
    eventually(made.ready, "the proxy is ready")
    return made


def test_a_template_is_noticed_when_it_comes_and_when_it_changes(proxy: Proxy, templates: Path) -> None:
    """What is wrong with it costs its service only, and is told; what is right again is in force again."""
    fact = eventually(lambda: proxy.condition("own", "ResolvedRefs"), "the service is known")
    assert "own.tmpl in TEMPLATES_DIR, which com.df.templateFePath names, is not there" in fact["message"]
    assert proxy.status("/by-template") == 503

    (templates / "own.tmpl").write_text(ROUTE)
    eventually(lambda: proxy.status("/by-template") == 200, "the template is in force")

    (templates / "own.tmpl").write_text("http-request deny")
    eventually(lambda: proxy.condition("own", "ResolvedRefs")["status"] == "False", "its fault is told")
    assert proxy.status("/by-template") == 200

    (templates / "own.tmpl").write_text(f"acl bad path_reg (\n{ROUTE} bad")
    eventually(lambda: proxy.condition("own", "Programmed")["reason"] == "ConfigRejected", "HAProxy refuses it")
    assert "regex" in proxy.condition("own", "Programmed")["message"]
    assert proxy.status("/web") == 200
    assert proxy.condition("web", "Programmed")["status"] == "True"

    (templates / "own.tmpl").write_text(ROUTE)
    eventually(lambda: proxy.status("/by-template") == 200, "the mended template is in force")
    eventually(lambda: proxy.condition("own", "Programmed")["status"] == "True", "nothing is wrong any more")
    assert proxy.status("/web") == 200


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({"EXTRA_GLOBAL": "nbthread 1,tune.nonsense 1"}, ("EXTRA_GLOBAL", "tune.nonsense"), id="global"),
        pytest.param({"EXTRA_FRONTEND": "acl a nonsense"}, ("EXTRA_FRONTEND", "unknown fetch method"), id="frontend"),
        pytest.param({"EXTRA_GLOBAL": "frontend x"}, ("EXTRA_GLOBAL", "does not belong to its section"), id="section"),
        pytest.param({"EXTRA_GLOBAL": "# {{ USERS }}"}, ("EXTRA_GLOBAL", "'USERS' is undefined"), id="secret"),
    ],
)
def test_lines_of_the_operator_that_are_refused_end_the_start(
    make_proxy: MakeProxy, newest: Path, folder: Path, variables: dict[str, str], words: tuple[str, ...]
) -> None:
    """With the variable and, if it comes from there, HAProxy's own words; nothing is left running."""
    (folder / "stack.yml").write_text(stack({}))
    variables |= {"USERS": "ann:a"} if "USERS" in str(variables) else {}
    proxy = make_proxy(newest, "--stack-file", str(folder / "stack.yml"), **variables)
    assert proxy.process is not None
    try:
        assert proxy.process.wait(20) == MISCONFIGURED
    except subprocess.TimeoutExpired:
        pytest.fail(proxy.words())
    last = proxy.words().strip().splitlines()[-1]
    assert last.startswith("swarmgate: ")
    assert [word for word in words if word not in last] == []
    assert proxy.master == 0


def test_lines_of_the_operator_are_in_force(make_proxy: MakeProxy, newest: Path, folder: Path, backend: int) -> None:
    """Before any service is asked, and with settings put in."""
    (folder / "stack.yml").write_text(stack({"web": plain(backend, "/web")}))
    lines = "http-request deny deny_status 429 if { path /web/{{ PROXY_INSTANCE_NAME }} }"
    proxy = make_proxy(newest, "--stack-file", str(folder / "stack.yml"), EXTRA_FRONTEND=lines)
    eventually(proxy.ready, "the proxy is ready")
    assert (proxy.status("/web"), proxy.status("/web/docker-flow")) == (200, 429)
