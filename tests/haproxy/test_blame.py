"""Which service is meant when HAProxy refuses a configuration."""

import pytest
from builders import rendered_of, service, snapshot

from controller.blame import blamed, found_by_halving, named_by_haproxy
from controller.errors import ConfigRejectedError
from render.files import Rendered
from render.reduced import reduced

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


MANY = 256
NAMES = frozenset(f"s{n}" for n in range(MANY))
WORLD = rendered_of(
    snapshot(
        *(
            service(
                f"s{n}", {"servicePath": f"/s{n}", "port": "80", "backendExtra": f"http-request set-header X-Own {n}"}
            )
            for n in range(MANY)
        )
    )
)


def test_a_question_has_what_all_profiles_have_once() -> None:
    """And what is each one's own in each; an ACL is where it is needed."""
    asked = reduced(WORLD, NAMES).config.split("\n")
    auth = "    http-request auth if asks_login "
    assert WORLD.config.count(auth) > MANY
    assert sum(line.startswith(auth) for line in asked) == 2, "in one of theirs, and in the one of plain services"
    for own in ("    http-request set-var(txn.options) ", "    http-request set-header X-Own "):
        assert sum(line.startswith(own) for line in asked) >= MANY
    for profile in "\n".join(asked).split("\ndefaults http-")[1:]:
        acls = {line.split()[1] for line in profile.split("\n") if line.startswith("    acl ")}
        others = " ".join(line for line in profile.split("\n") if not line.startswith("    acl "))
        assert all(acl in others for acl in acls)


class Checking:
    """Refuses configurations with the lines of bad services, naming none of them but ``named``; counts questions."""

    def __init__(self, bad: set[int], named: set[int] = frozenset(), *, core: bool = False) -> None:
        self.bad, self.named, self.core = bad, named, core
        self.asked: list[int] = []
        self.rounds = 0

    async def check(self, rendered: Rendered) -> None:
        lines = rendered.config.split("\n")
        self.asked.append(sum(line.startswith("backend s") for line in lines))
        words = [
            f"[ALERT] (7) : config : [haproxy.cfg:{number}] : no" if n in self.named else "[ALERT] (7) : no"
            for number, line in enumerate(lines, 1)
            for n in self.bad
            if line.endswith(f" X-Own {n}")
        ]
        if words or self.core:
            raise refusal(*(words[:1] or ["[ALERT] (7) : never"]))

    async def objection(self, _without: frozenset[str]) -> ConfigRejectedError | None:
        return refusal("never")

    async def blames(self, changed: range) -> set[int]:
        """Return whom it is blamed on, when those that are found are left out and it is refused once more."""
        found: set[str] = set()
        while (error := await self._error(reduced(WORLD, NAMES - found))) is not None:
            names = [f"s{n}" for n in changed if f"s{n}" not in found]
            news = await blamed(error, reduced(WORLD, NAMES - found), names, self.check, self.objection)
            if not news:
                break
            found.update(news)
            self.rounds += 1
        return {int(name[1:]) for name in found}

    async def _error(self, rendered: Rendered) -> ConfigRejectedError | None:
        try:
            await self.check(rendered)
        except ConfigRejectedError as error:
            return error
        return None


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        pytest.param({3}, set(), id="one that is not named"),
        pytest.param({3, 77, 78, 200}, set(), id="some that are not named"),
        pytest.param({3, 77, 78, 200}, {3, 200}, id="some of each"),
        pytest.param({3, 77, 78, 200}, {3, 77, 78, 200}, id="all named, one after the other"),
        pytest.param(set(range(0, MANY, 8)), set(range(0, MANY, 16)), id="many"),
    ],
)
@pytest.mark.parametrize("changed", [pytest.param(range(MANY), id="all new"), pytest.param(range(0), id="none new")])
async def test_all_are_found_with_few_questions(bad: set[int], named: set[int], changed: range) -> None:
    """Named ones cost one each; others two each time that the number of suspects to each of them doubles."""
    haproxy = Checking(bad, named)
    assert await haproxy.blames(changed) == bad
    assert haproxy.rounds == 1
    silent = len(bad - named)
    halvings = (MANY // max(1, silent)).bit_length()
    assert len(haproxy.asked) <= len(named) + 2 * silent * (halvings + 1) + 3


async def test_only_those_that_have_changed_are_asked_about() -> None:
    """What HAProxy runs it has taken before."""
    haproxy = Checking({3, 5})
    assert await haproxy.blames(range(8)) == {3, 5}
    assert max(haproxy.asked[1:-1]) == 8


async def test_nobody_is_asked_about_when_what_is_for_all_is_refused() -> None:
    """One question tells."""
    haproxy = Checking(set(), core=True)
    assert await haproxy.blames(range(MANY)) == set()
    assert len(haproxy.asked) <= 4
