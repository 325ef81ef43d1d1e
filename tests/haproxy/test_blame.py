"""Which service is meant when HAProxy refuses a configuration."""

import pytest
from builders import rendered_of, service, snapshot

from controller.blame import found_by_halving, named_by_haproxy
from controller.errors import ConfigRejectedError

RENDERED = rendered_of(
    snapshot(
        service("web"),
        service("shop", {"servicePath": "/shop", "port": "80", "backendExtra": "http-request deny"}),
    )
)
PROFILE = RENDERED.backends["shop-be80_0"].profile


def refusal(*messages: str) -> ConfigRejectedError:
    """Return the error for what HAProxy said."""
    return ConfigRejectedError("no", output="\n".join(messages))


def line_of(text: str) -> int:
    """Return the number of the line of the configuration that begins with a text."""
    return next(n for n, line in enumerate(RENDERED.config.split("\n"), 1) if line.startswith(text))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(
            f"[ALERT]    (7) : config : [haproxy.cfg:{line_of('backend shop')}] : no", "no", id="a line of the backend"
        ),
        pytest.param(
            f"[ALERT]    (7) : Proxy '{PROFILE}': unable to find table 'web-be8080_0' referenced by track-sc0.",
            f"Proxy '{PROFILE}': unable to find table 'web-be8080_0' referenced by track-sc0.",
            id="its profile",
        ),
        pytest.param(
            "[WARNING]  (7) : config : cookie will be ignored for backend 'shop-be80_0' (needs 'mode http').",
            "cookie will be ignored for backend 'shop-be80_0' (needs 'mode http').",
            id="its backend",
        ),
        pytest.param("[ALERT]    (7) : config : Proxy 'services': no", None, id="what belongs to all"),
        pytest.param("[ALERT]    (7) : config : proxy 'gone-be80_0': no", None, id="what is not there"),
        pytest.param("Segmentation fault", None, id="nothing"),
    ],
)
def test_the_service_that_is_named_is_blamed(message: str, words: str | None) -> None:
    """By a line or by a section, whichever HAProxy names."""
    assert named_by_haproxy(refusal(message), RENDERED) == ({"shop": words} if words else {})


@pytest.mark.parametrize("count", [1, 2, 7, 100])
async def test_one_that_is_not_named_is_found_by_halving(count: int) -> None:
    """Wherever it is among the others, with few questions."""
    names = [f"s{number}" for number in range(count)]
    for culprit in {names[0], names[-1], names[count // 2]}:
        asked: list[frozenset[str]] = []

        async def objection(
            without: frozenset[str], culprit: str = culprit, asked: list[frozenset[str]] = asked
        ) -> ConfigRejectedError | None:
            asked.append(without)
            return None if culprit in without else refusal(f"[ALERT]    (7) : {culprit} is bad")

        found = await found_by_halving(refusal(f"[ALERT] (7) : {culprit} is bad"), names, objection)
        assert found == (culprit, f"{culprit} is bad")
        assert len(asked) <= 1 + count.bit_length()


async def test_nobody_is_blamed_for_what_is_not_a_service_s() -> None:
    """If it does not help to leave all of them out, none of them is to blame."""

    async def objection(_without: frozenset[str]) -> ConfigRejectedError | None:
        return refusal("no")

    assert await found_by_halving(refusal("no"), ["web", "shop"], objection) is None
    assert await found_by_halving(refusal("no"), [], objection) is None
