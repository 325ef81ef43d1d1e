"""What the labels of compression do to responses."""

import gzip
import zlib
from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge

ACCEPT = "Accept-Encoding: gzip, deflate, raw-deflate"


@pytest.mark.parametrize(
    ("labels", "encoding"),
    [
        pytest.param({"compressionAlgo": "gzip"}, "gzip", id="gzip"),
        pytest.param({"compressionAlgo": "deflate"}, "deflate", id="deflate"),
        pytest.param({"compressionAlgo": "gzip deflate"}, "gzip", id="the first of two"),
        pytest.param({"compressionAlgo": "gzip", "compressionType": "text/html text/plain"}, "gzip", id="this type"),
        pytest.param({"compressionAlgo": "gzip", "compressionType": "text/html"}, None, id="another type"),
        pytest.param({"compressionType": "text/plain"}, None, id="no algorithm"),
        pytest.param({}, None, id="no label"),
    ],
)
async def test_compression(
    binary: Path, folder: Path, origin: Origin, labels: dict[str, str], encoding: str | None
) -> None:
    """A response is compressed as the label says if the client can take it."""
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        answer = await proxy.ask("/web", ACCEPT)
        assert answer.headers.get("content-encoding") == encoding
        plain = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(encoding or "", bytes)(answer.body)
        assert plain.startswith(b"GET /web HTTP/1.1\r\n")


async def test_a_client_that_takes_no_compression(binary: Path, folder: Path, origin: Origin) -> None:
    """Nothing is compressed for a client that does not ask for it."""
    async with edge(binary, folder, behind(origin, {"compressionAlgo": "gzip"})) as proxy:
        assert "content-encoding" not in (await proxy.ask()).headers


async def test_compression_is_of_one_service(binary: Path, folder: Path, origin: Origin) -> None:
    """Another service is left alone (with DFP the label of one was in force for all)."""
    services = behind(origin, {"compressionAlgo": "gzip"}), behind(origin, name="other")
    async with edge(binary, folder, *services) as proxy:
        assert "content-encoding" not in (await proxy.ask("/other", ACCEPT)).headers
