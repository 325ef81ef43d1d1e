"""Error pages of the operator's own: which are used, and what clients get to see."""

from dataclasses import replace
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import MACHINE, desired_of, snapshot
from traffic import ask, request_bytes, running_haproxy

from controller.error_files import find_error_files
from models.machine import ErrorFile
from models.settings import ProxySettings
from render.configuration import render

PAGE = "HTTP/1.0 503 Service Unavailable\r\nX-Page: ours\r\n\r\n<h1>Back soon</h1>\r\n"


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_page_of_ones_own(version: str, tmp_path: Path) -> None:
    """Requests that nobody claims get the operator's page; without one, HAProxy's."""
    (tmp_path / "503.http").write_text(PAGE)
    for folder, expected in ((tmp_path, "ours"), (tmp_path / "none", None)):
        machine = replace(MACHINE, error_files=find_error_files(folder))
        rendered = render(desired_of(snapshot()), ProxySettings(), machine)
        work = tmp_path / f"work{len(machine.error_files)}"
        work.mkdir()
        with running_haproxy(haproxy_binary(version), rendered, work) as port:
            (answer,) = await ask(port, [request_bytes("/nowhere", "x.com")])
        assert answer.status == 503
        assert answer.headers.get("x-page") == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("503.http", "<h1>Back soon</h1>", id="no status line"),
        pytest.param("503.http", "HTTP/1.0 503 Service Unavailable\r\n", id="no end of the headers"),
        pytest.param("503.http", PAGE + "x" * 16000, id="too large"),
        pytest.param("302.http", PAGE, id="a status HAProxy has no page for"),
        pytest.param("503.html", PAGE, id="another kind of file"),
    ],
)
def test_left_out(name: str, content: str, tmp_path: Path) -> None:
    """What HAProxy would refuse is left out; the others stay."""
    (tmp_path / "404.http").write_text(PAGE)
    (tmp_path / name).write_text(content)
    assert find_error_files(tmp_path) == (ErrorFile(404, str(tmp_path / "404.http")),)
