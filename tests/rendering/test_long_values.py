"""Long lists and long texts are loaded like short ones: HAProxy limits the words and bytes of a line."""

from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary, refusal
from builders import read, rendered_of, service, snapshot

LONG = {
    "users": ",".join(f"user{number}:password{number}" for number in range(300)),
    "allowedSrc": ",".join(f"10.{number}.0.0/16" for number in range(200)),
    "deniedSrc": ",".join(f"2001:db8:{number:x}::/48" for number in range(200)),
    "allowedMethods": ",".join(f"X{chr(65 + number % 26)}{chr(65 + number // 26)}" for number in range(100)),
    "compressionType": " ".join(f"application/x-{number}" for number in range(100)),
    "reqPathSearchReplace": f"/{'a' * 3000},/{'b' * 3000}",
    "setReqHeader": f"X-Long {'v' * 3000}",
    "serviceDomain": ",".join(f"shop{number}.example.com" for number in range(300)),
    "servicePath": ",".join(f"/{number}" for number in range(300)),
}


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("label", LONG)
def test_long_value_is_loaded(label: str, version: str, tmp_path: Path) -> None:
    """What a label may be, HAProxy takes."""
    labels = {"servicePath": "/web", "port": "80", "compressionAlgo": "gzip", label: LONG[label]}
    assert read(labels).problems == ()
    assert refusal(haproxy_binary(version), rendered_of(snapshot(service(labels=labels))).files(), tmp_path) == ""
