"""``swarmgate status`` and ``explain``, asked of a running proxy as an operator would."""

import json
from pathlib import Path

import pytest
from haproxy.loopback import free_port
from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, put, stack
from typer.testing import CliRunner

from controller.cli import cli


@pytest.fixture
def proxy(make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int) -> Proxy:
    """A ready proxy with two services, of which one has a mistake in a label."""
    put(stack_file, {"web": plain(backend, "/web"), "shop": plain(backend, "/shop", prot=80)})
    made = make_proxy(newest, "--stack-file", str(stack_file))
    eventually(made.ready, "the proxy is ready")
    return made


def run(proxy: Proxy, *arguments: str, command: str = "status", width: int = 400) -> tuple[int, str]:
    """Return the exit status and the output, by default on a terminal that is wide enough for everything."""
    result = CliRunner().invoke(
        cli, [command, "--url", f"http://127.0.0.1:{proxy.api}", *arguments], env={"COLUMNS": str(width)}
    )
    return result.exit_code, result.output


def test_the_overview_has_each_service_with_what_is_wrong(proxy: Proxy) -> None:
    status, text = run(proxy)
    assert status == 1
    web, shop = (next(line for line in text.splitlines() if f" {name} " in line) for name in ("web", "shop"))
    assert "Programmed" in web
    assert "/web" in web
    assert "NotProgrammed" in shop
    assert "did you mean com.df.port?" in shop


def test_a_narrow_terminal_cuts_nothing_off(proxy: Proxy) -> None:
    _, text = run(proxy, width=60)
    assert max(map(len, text.splitlines())) <= 60
    column = "".join(line.split("│")[-2].strip() for line in text.splitlines() if line.startswith("│"))
    assert "didyoumeancom.df.port?" in column.replace(" ", "")


def test_one_service_is_told_in_full(proxy: Proxy, backend: int) -> None:
    status, text = run(proxy, "web")
    assert status == 0
    for part in ("Accepted", "ResolvedRefs", "Programmed", f"web-be{backend}_0", f"127.0.0.1:{backend}"):
        assert part in text
    status, text = run(proxy, "shop")
    assert status == 1
    assert "UnknownLabel" in text


def test_what_is_repaired_is_good_again(proxy: Proxy, stack_file: Path, backend: int) -> None:
    put(stack_file, {"web": plain(backend, "/web"), "shop": plain(backend, "/shop")})
    eventually(lambda: run(proxy)[0] == 0, "all is well")


def test_json_is_what_the_api_says(proxy: Proxy) -> None:
    assert json.loads(run(proxy, "web", "--json")[1])["name"] == "web"
    whole = json.loads(run(proxy, "--json")[1])
    assert whole["ready"]["ready"] is True
    assert [service["name"] for service in whole["services"]] == ["shop", "web"]


def test_a_service_that_is_not_there(proxy: Proxy) -> None:
    status, text = run(proxy, "wbe")
    assert status == 1
    assert "did you mean web?" in text


def test_a_request_is_explained(proxy: Proxy, backend: int) -> None:
    status, text = run(proxy, "http://x/web/1", command="explain")
    assert status == 0
    assert f"web-be{backend}_0" in text
    status, text = run(proxy, "http://x/Web", command="explain")
    assert status == 1
    assert "the letter case counts" in text
    assert "did you mean com.df.port?" in text
    found = json.loads(run(proxy, "/web", "--json", command="explain")[1])
    assert (found["answer"], found["service"]) == ("service", "web")
    assert run(proxy, "ftp://x/", command="explain")[0] == 2


def test_a_stack_file_is_enough_to_explain(tmp_path: Path) -> None:
    file = tmp_path / "shop.yml"
    file.write_text(stack({"web": plain(80, "/web", httpsOnly=True)}), encoding="utf-8")
    result = CliRunner().invoke(cli, ["explain", "http://x/web", "--stack-file", str(file), "--json"])
    found = json.loads(result.output)
    assert (result.exit_code, found["service"], found["status"]) == (0, "shop_web", 302)


@pytest.mark.parametrize("arguments", [["status"], ["explain", "http://x/"]], ids=["status", "explain"])
def test_nobody_answers(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, [*arguments, "--url", f"http://127.0.0.1:{free_port()}"])
    assert result.exit_code == 2
    assert "--url or SWARMGATE_URL" in result.output
