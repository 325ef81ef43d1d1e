"""What raw lines do, and what they cannot do."""

from pathlib import Path

import pytest
from binaries import refusal
from builders import desired_of, rendered_of, service, snapshot
from hypothesis import given
from hypothesis import strategies as st
from label_effects.edge import Origin, behind, edge
from label_effects.reading import PLAIN, destination_of, problem_of

from models.settings import ProxySettings
from render.files import Rendered


async def test_backend_extra(binary: Path, folder: Path, origin: Origin) -> None:
    """Lines are added to the backends of this service, and of no other."""
    labels = {"backendExtra": "acl odd path_end /odd\nhttp-request deny deny_status 410 if odd"}
    async with edge(binary, folder, behind(origin, labels), behind(origin, name="other")) as proxy:
        assert (await proxy.ask("/web/odd")).status == 410
        assert (await proxy.ask("/web/even")).status == 200
        assert (await proxy.ask("/other/odd")).status == 200


def test_the_operator_can_forbid_it() -> None:
    """The service is told so."""
    settings = ProxySettings.model_validate({"allow_raw_config": "false"})
    world = snapshot(service("web", PLAIN | {"backendExtra": "balance leastconn"}))
    desired = desired_of(world, settings=settings)
    assert desired.backends == ()
    assert "ALLOW_RAW_CONFIG" in desired.conditions["web"][0].message


def test_a_line_that_haproxy_refuses_is_known_to_be_this_service_s(binary: Path, tmp_path: Path) -> None:
    """HAProxy names the line, and the line has an owner."""
    rendered = rendered_of(
        snapshot(service("web", PLAIN | {"backendExtra": "balance nonsense"}), service("other", PLAIN))
    )
    words = refusal(binary, rendered.files(), tmp_path)
    blamed = {name for line in lines_in(words) for name in rendered.owners.get(line, ())}
    assert blamed == {"web"}


def lines_in(words: str) -> set[int]:
    """Return the line numbers that HAProxy complains of."""
    return {int(rest.split("]")[0]) for rest in words.split("haproxy.cfg:")[1:] if rest.split("]")[0].isdigit()}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("frontend x", id="frontend"),
        pytest.param("balance leastconn\n  global", id="a later line"),
        pytest.param("'global'", id="quoted"),
        pytest.param('glo""bal', id="quotes within"),
        pytest.param("# x", id="comment"),
        pytest.param("\\global", id="escaped"),
        pytest.param(".if 1", id="macro"),
        pytest.param("balance\x0bleastconn", id="control character"),
    ],
)
def test_refused(lines: str) -> None:
    """No line can begin another section."""
    assert "com.df.backendExtra=" in problem_of({"backendExtra": lines})


@given(st.text(max_size=40))
def test_lines_stay_lines(text: str) -> None:
    """Whatever is accepted is as many lines as were written, each of the service's own section."""
    try:
        lines = destination_of({"backendExtra": text}).custom.backend_extra
    except AssertionError:
        return
    assert all(line and len(line.splitlines()) == 1 for line in lines)
    rendered: Rendered = rendered_of(snapshot(service("web", PLAIN | {"backendExtra": text})))
    plain = rendered_of(snapshot(service("web", PLAIN)))
    assert len(rendered.config.splitlines()) - len(plain.config.splitlines()) in {0, len(lines) + 3}
