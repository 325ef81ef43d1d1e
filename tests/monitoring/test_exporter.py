"""HAProxy's own exporter, by the proxy's API."""

import re
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from roles.conftest import MakeProxy, backend, make_proxy
from roles.processes import eventually, plain, put

__all__ = ["backend", "make_proxy"]
pytestmark = pytest.mark.haproxy


@pytest.mark.parametrize("version", VERSIONS)
def test_every_haproxy_tells_its_own_metrics(version: str, make_proxy: MakeProxy, folder: Path, backend: int) -> None:
    """Of the process and the frontends unless asked for more; what cannot be asked for is refused."""
    put(folder / "stack.yml", {"web": plain(backend, "/web")})
    proxy = make_proxy(haproxy_binary(version), "--stack-file", f"{folder}/stack.yml")
    eventually(proxy.ready, "the proxy is ready")

    told = proxy.get("/metrics/haproxy")
    assert told.headers["content-type"].startswith("text/plain")
    assert "\nhaproxy_process_uptime_seconds " in told.text
    assert '\nhaproxy_frontend_current_sessions{proxy="services"} ' in told.text
    assert "haproxy_backend_" not in told.text

    told = proxy.get("/metrics/haproxy?scope=backend&scope=server&scope=backend")
    assert f'\nhaproxy_backend_response_time_average_seconds{{proxy="web-be{backend}_0"}} ' in told.text
    assert f'\nhaproxy_server_response_time_average_seconds{{proxy="web-be{backend}_0",server="web"}} ' in told.text
    assert "haproxy_process_" not in told.text
    told = proxy.get("/metrics/haproxy?scope=global&metrics=haproxy_process_idle_time_percent,haproxy_process_nbthread")
    named = set(re.findall(r"^(haproxy_\w+)", told.text, re.MULTILINE))
    assert named >= {"haproxy_process_idle_time_percent", "haproxy_process_nbthread"}
    assert (len(named) > 2) == (version == "2.8")
    assert proxy.get("/metrics/haproxy?scope=secrets").status_code == 422


def test_without_haproxy_it_is_said(make_proxy: MakeProxy) -> None:
    """A proxy that waits for its first world has none yet."""
    proxy = make_proxy(haproxy_binary(VERSIONS[-1]), "--listener-address", "127.0.0.1:1")
    eventually(lambda: proxy.get("/healthz").is_success, "the controller answers")
    answer = proxy.get("/metrics/haproxy")
    assert answer.status_code == 503
    assert "HAProxy's exporter does not answer" in answer.json()["detail"]
