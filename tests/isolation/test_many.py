"""1,000 services of which 20 are bad: all others are live after few questions, whatever HAProxy says."""

from collections.abc import Callable, Mapping

import pytest
from binaries import VERSIONS
from isolation.conftest import Proxy

from controller.blame import PARTS
from models.router import MOST_TESTED

SERVICES = 1_000
BAD = frozenset(range(7, SERVICES, 50))
_ENDS_READING = "redirect location /x code 999"
REFUSED: tuple[Mapping[str, str], ...] = (
    {"backendExtra": "timeout server soon"},
    {"backendExtra": f"http-request {_ENDS_READING}"},
    {"backendExtra": "retry-on nonsense"},
    {"reqPathSearchReplace": "(?u)/x,/y"},
    {"pathType": "path_reg", "servicePath": "^/("},
)
"""Labels that are allowed and that HAProxy refuses. Some end its reading; some it finds out only after reading all."""
ROUNDS = 2
"""So often is such a mixture refused: by what HAProxy reads, and by what it finds out after that."""
PLAIN: Mapping[str, str] = {}
OLDEST_AND_NEWEST = pytest.mark.parametrize(
    "proxy",
    [pytest.param(version, marks=pytest.mark.haproxy) for version in (VERSIONS[0], VERSIONS[-1])],
    indirect=True,
)


def own(number: int) -> Mapping[str, str]:
    """Return options that no other service has."""
    return {"reqPathSearchReplace": f"/s{number}/,/"}


def put_all(proxy: Proxy, labels: Callable[[int], Mapping[str, str]]) -> None:
    """Add all services, or change them."""
    for number in range(SERVICES):
        proxy.put(f"s{number}", {"servicePath": f"/s{number}", **labels(number)})


def spoilt(number: int, good: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is refused of a bad service, with something of its own, and the labels of a good one."""
    if number not in BAD:
        return good
    kind = REFUSED[number // 50 % len(REFUSED)]
    mark = f"http-request set-header X-Own {number}"
    path = {"servicePath": f"{kind['servicePath']}{number}"} if "servicePath" in kind else {}
    return {**good, **kind, **path, "backendExtra": "\n".join(filter(None, (mark, kind.get("backendExtra"))))}


async def live(proxy: Proxy, numbers: range) -> None:
    """Check that exactly the bad ones are told, and that some good ones answer."""
    told = {name for name in proxy.world.services if proxy.told(name)[0] == "ConfigRejected"}
    assert told == {f"s{number}" for number in BAD}
    for number in numbers:
        is_left_out = "nothing is routed" in proxy.told(f"s{number}")[1]
        assert await proxy.status(f"/s{number}/") == (503 if is_left_out else 200)


@pytest.mark.parametrize("options", [pytest.param(lambda _: PLAIN, id="alike"), pytest.param(own, id="each its own")])
@OLDEST_AND_NEWEST
async def test_bad_at_the_first_start(proxy: Proxy, options: Callable[[int], Mapping[str, str]]) -> None:
    """As many questions as there are bad ones, at most: HAProxy names at least one each time."""
    put_all(proxy, lambda number: spoilt(number, options(number)))
    await proxy.converge()
    await live(proxy, range(5, 12))
    assert proxy.haproxy.checks <= len(BAD) + 2
    assert proxy.haproxy.applied <= ROUNDS + 1


@OLDEST_AND_NEWEST
async def test_bad_at_a_change(proxy: Proxy) -> None:
    """Only those that have changed are asked about, and what they were stays in force."""
    put_all(proxy, own)
    await proxy.converge()
    put_all(proxy, lambda number: spoilt(number, own(number)))
    await proxy.converge()
    await live(proxy, range(5, 12))
    assert proxy.haproxy.checks <= len(BAD) + 2
    assert proxy.haproxy.applied <= 1 + ROUNDS + 1


@OLDEST_AND_NEWEST
async def test_bad_among_many_new_ones(proxy: Proxy) -> None:
    """They are looked at in parts, and what was found good is loaded without being checked once more."""
    proxy.put("other", {"servicePath": "/other"})
    await proxy.converge()
    put_all(proxy, lambda number: spoilt(number, own(number)))
    await proxy.converge()
    await live(proxy, range(5, 12))
    assert await proxy.status("/other") == 200
    assert proxy.haproxy.checks <= len(BAD) + ROUNDS * PARTS
    assert proxy.haproxy.applied == 1 + 1


@OLDEST_AND_NEWEST
async def test_one_that_is_found_good_and_refused_together_with_others(proxy: Proxy) -> None:
    """Then all are checked as a whole, which tells who it is; meanwhile HAProxy goes on."""
    proxy.put("other", {"servicePath": "/other"})
    await proxy.converge()
    put_all(proxy, lambda number: own(number) | (REFUSED[0] if number == 7 else {}))
    proxy.haproxy.blind = True
    await proxy.converge()
    assert proxy.told("s7")[0] == "ConfigRejected"
    assert [await proxy.status(path) for path in ("/other", "/s6/", "/s7/", "/s8/")] == [200, 200, 503, 200]


@pytest.mark.parametrize("options", [pytest.param(lambda _: PLAIN, id="alike"), pytest.param(own, id="each its own")])
@pytest.mark.parametrize("proxy", [pytest.param(VERSIONS[-1], marks=pytest.mark.haproxy)], indirect=True)
async def test_bad_ones_that_haproxy_does_not_name(proxy: Proxy, options: Callable[[int], Mapping[str, str]]) -> None:
    """Halves are asked about, and services that bring the same lines count as one."""
    proxy.haproxy.mute = True
    put_all(proxy, lambda number: spoilt(number, options(number)))
    await proxy.converge()
    await live(proxy, range(5, 12))
    assert proxy.haproxy.applied <= 2
    kinds = len(BAD) + 1 if options(0) == options(1) else SERVICES
    assert proxy.haproxy.checks <= 2 * len(BAD) * (1 + (kinds // len(BAD)).bit_length())


@pytest.mark.parametrize("proxy", [pytest.param(VERSIONS[-1], marks=pytest.mark.haproxy)], indirect=True)
async def test_more_tested_routes_than_there_is_room_for(proxy: Proxy) -> None:
    """The oldest have them; the others are told, and all come to have theirs as soon as there is room."""
    for number in range(MOST_TESTED + 3):
        labels = {"pathType": "path_reg", "servicePath": f"^/t{number}$"}
        proxy.put(f"s{number:04}", labels, younger=number)
    await proxy.converge()
    last = MOST_TESTED + 2
    told = {name for name in proxy.world.services if proxy.told(name, "Accepted")[0] == "TooManyConditions"}
    assert told == {f"s{number:04}" for number in range(MOST_TESTED, MOST_TESTED + 3)}
    assert [await proxy.status(f"/t{number}") for number in (0, MOST_TESTED - 1, last)] == [200, 200, 503]
    for number in range(3):
        proxy.drop(f"s{number:04}")
    await proxy.converge()
    assert proxy.told(f"s{last:04}", "Accepted")[0] == "Accepted"
    assert [await proxy.status(f"/t{number}") for number in (0, MOST_TESTED - 1, last)] == [503, 200, 200]
