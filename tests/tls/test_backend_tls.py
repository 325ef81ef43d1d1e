"""``sslVerifyCa``: requests go by TLS to servers that prove who they are, and to no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from roles.processes import eventually, plain
from tls.authorities import Authority
from tls.conftest import MakeSite
from tls.servers import secure_server


@pytest.fixture
def servers(authority: Authority, folder: Path) -> Iterator[dict[str, int]]:
    """Servers with a right certificate, one for another host, and one of another authority."""
    with (
        secure_server(authority.issue("localhost"), folder / "right") as right,
        secure_server(authority.issue("other.example"), folder / "other") as other,
        secure_server(Authority.new("Somebody else").issue("localhost"), folder / "foreign") as foreign,
    ):
        yield {"right": right, "other": other, "foreign": foreign}


def test_only_servers_that_prove_who_they_are_get_requests(
    make_site: MakeSite, authority: Authority, servers: dict[str, int]
) -> None:
    """The certificate must be of the authority and for the host; without the authority nothing is sent."""

    def labels(path: str, port: int, authority_name: str = "internal.pem") -> dict[str, object]:
        return plain(port, path) | {"sslVerifyCa": authority_name, "outboundHostname": "localhost"}

    site = make_site(
        {"ca/internal.pem": authority.pem},
        {name: labels(f"/{name}", port) for name, port in servers.items()}
        | {"unknown": labels("/unknown", servers["right"], "nothing.pem")},
    )

    eventually(lambda: site.proxy.status("/right") == 200, "the right one answers")
    assert site.proxy.status("/other") == 503
    assert site.proxy.status("/foreign") == 503
    assert site.proxy.status("/unknown") == 503
    assert site.proxy.condition("unknown", "ResolvedRefs")["reason"] == "SecretNotFound"
    assert site.proxy.condition("unknown", "Programmed")["reason"] == "FailedClosed"
