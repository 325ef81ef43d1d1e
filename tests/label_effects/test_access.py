"""What the labels of access do to requests and connections."""

from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge


async def test_deny_http(binary: Path, folder: Path, origin: Origin) -> None:
    """By HTTP there is only a refusal."""
    async with edge(binary, folder, behind(origin, {"denyHttp": "true"})) as proxy:
        assert (await proxy.ask()).status == 403
        assert (await proxy.ask(tls=True)).status == 200


async def test_without_restrictions(binary: Path, folder: Path, origin: Origin) -> None:
    """Without labels everybody may do everything."""
    async with edge(binary, folder, behind(origin)) as proxy:
        for method in ("GET", "POST", "DELETE", "BREW"):
            assert (await proxy.ask(method=method)).status == 200
        assert (await proxy.ask(client="2001:db8::9")).status == 200


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", "192.0.2.8", id="address"),
        pytest.param("10.0.0.0/8,192.0.2.0/24", "192.0.2.9", "198.51.100.1", id="networks"),
        pytest.param("10.1.2.3/8", "10.200.0.1", "11.0.0.1", id="an address within its network"),
        pytest.param("2001:db8::/32", "2001:db8::1", "2001:db9::1", id="IPv6"),
        pytest.param("2001:db8::/32", "2001:db8::1", "192.0.2.1", id="IPv4 is not in an IPv6 network"),
        pytest.param("10.64.0.0/11", "10.95.255.255", "10.96.0.0", id="a network that ends within a digit"),
        pytest.param("2001:db8:c000::/35", "2001:db8:dfff::1", "2001:db8:e000::1", id="one of IPv6"),
        pytest.param("0.0.0.0/1", "127.255.255.255", "128.0.0.0", id="half of all"),
        pytest.param("0.0.0.0/0", "198.51.100.1", "2001:db8::1", id="all of IPv4"),
        pytest.param("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3", id="IPv4 as IPv6"),
        pytest.param("10.0.0.0/8", "2002:a01:203::1", "2002:b01:203::1", id="IPv4 by way of 6to4"),
        pytest.param("10.0.0.0/8", "::10.1.2.3", "::11.1.2.3", id="IPv4 in the form of old"),
        pytest.param("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3", id="an IPv4 network as IPv6"),
        pytest.param("::/1", "192.0.2.1", "8000::1", id="IPv4 is in a network of IPv6 that holds its form"),
    ],
)
async def test_addresses(  # noqa: PLR0917 - fixtures and columns
    binary: Path, folder: Path, origin: Origin, value: str, inside: str, outside: str
) -> None:
    """``allowedSrc`` lets only these in, ``deniedSrc`` keeps just these out."""
    allowing = behind(origin, {"allowedSrc": value}, name="allowing")
    denying = behind(origin, {"deniedSrc": value}, name="denying")
    async with edge(binary, folder, allowing, denying) as proxy:
        assert (await proxy.ask("/allowing", client=inside)).status == 200
        assert (await proxy.ask("/allowing", client=outside)).status == 403
        assert (await proxy.ask("/denying", client=inside)).status == 403
        assert (await proxy.ask("/denying", client=outside)).status == 200


async def test_denied_within_allowed(binary: Path, folder: Path, origin: Origin) -> None:
    """An exception can be made from what is allowed."""
    async with edge(binary, folder, behind(origin, {"allowedSrc": "10.0.0.0/8", "deniedSrc": "10.6.6.6"})) as proxy:
        assert (await proxy.ask(client="10.0.0.1")).status == 200
        assert (await proxy.ask(client="10.6.6.6")).status == 403
        assert (await proxy.ask(client="11.0.0.1")).status == 403


async def test_addresses_of_tcp_connections(binary: Path, folder: Path, origin: Origin) -> None:
    """The same holds for whole connections with ``reqMode=tcp``."""
    labels = {
        "reqMode": "tcp",
        "srcPort": "6379",
        "servicePath": "",
        "allowedSrc": "10.0.0.0/8",
        "deniedSrc": "10.6.6.6",
    }
    request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.tcp(6379, request, client="10.0.0.1")).startswith(b"HTTP/1.1 200")
        assert await proxy.tcp(6379, request, client="10.6.6.6") == b""
        assert await proxy.tcp(6379, request, client="11.0.0.1") == b""


@pytest.mark.parametrize(
    ("labels", "let_in", "kept_out"),
    [
        pytest.param({"allowedMethods": "GET,HEAD"}, ("GET", "HEAD"), ("POST", "get"), id="allowed"),
        pytest.param({"deniedMethods": "DELETE,PUT"}, ("GET", "POST"), ("DELETE", "PUT"), id="denied"),
        pytest.param({"allowedMethods": "get"}, ("GET",), ("POST",), id="letter case in the label is ignored"),
        pytest.param({"allowedMethods": "PROPFIND"}, ("PROPFIND",), ("GET",), id="a method HAProxy has no name for"),
        pytest.param(
            {"allowedMethods": "GET,POST", "deniedMethods": "POST"}, ("GET",), ("POST", "PUT"), id="both labels"
        ),
    ],
)
async def test_methods(  # noqa: PLR0917 - fixtures and columns
    binary: Path,
    folder: Path,
    origin: Origin,
    labels: dict[str, str],
    let_in: tuple[str, ...],
    kept_out: tuple[str, ...],
) -> None:
    """Methods are let in or kept out by name."""
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert [(await proxy.ask(method=method)).status for method in let_in] == [200] * len(let_in)
        assert [(await proxy.ask(method=method)).status for method in kept_out] == [403] * len(kept_out)


async def test_restrictions_per_destination(binary: Path, folder: Path, origin: Origin) -> None:
    """A destination has its own restrictions."""
    labels = {"servicePath.1": "/one", "deniedMethods.1": "PUT", "servicePath.2": "/two", "allowedSrc.2": "10.0.0.0/8"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask("/one", method="PUT")).status == 403
        assert (await proxy.ask("/two", method="PUT", client="10.0.0.1")).status == 200
        assert (await proxy.ask("/two")).status == 403
