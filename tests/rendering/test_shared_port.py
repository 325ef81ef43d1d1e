"""A port that is shared with services that end TLS themselves: what moves, and what stays where it is."""

from dataclasses import replace
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary, refusal
from builders import MACHINE, desired_of, service, snapshot
from tls.around import WITH_TLS

from controller.haproxy.binary import has_quic
from models.settings import ProxySettings
from render.configuration import render

WITH_QUIC = replace(MACHINE, quic=True)
SETTINGS = ProxySettings(default_ports="80,443:ssl,8443:ssl", enable_h3=True)
SECURE = service("secure", {"reqMode": "sni", "serviceDomain": "a.com", "port": "443"})


def binds(config: str) -> list[str]:
    """Return what is listened on, with the frontend, less what is the same for all TLS."""
    found, section = [], ""
    for line in config.splitlines():
        section = line.split()[1] if line.startswith("frontend ") else section
        if line.startswith("    bind "):
            found.append(f"{section}: {line.split()[1]}")
    return found


def test_only_the_tcp_side_of_the_port_moves() -> None:
    """HTTP/3 has its own way, which nobody else can use."""
    files = render(desired_of(snapshot(SECURE), settings=SETTINGS, surroundings=WITH_TLS), SETTINGS, WITH_QUIC)
    assert binds(files.config) == [
        "services: *:80",
        "services: unix@/run/swarmgate/port80.sock",
        "services: unix@/run/swarmgate/port443.sock",
        "services: quic4@*:443",
        "services: *:8443",
        "services: unix@/run/swarmgate/port8443.sock",
        "services: quic4@*:8443",
        "swarmgate: unix@/run/swarmgate/internal.sock",
        "service_443: *:443",
    ]
    assert "alt-svc 'h3=\":443\"; ma=3600' if { dst_port 443 }" in files.config


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy_takes_it_with_quic(version: str, tmp_path: Path) -> None:
    """Where HAProxy speaks it."""
    quic = has_quic(haproxy_binary(version))
    machine = replace(MACHINE, quic=quic)
    files = render(desired_of(snapshot(SECURE), settings=SETTINGS, surroundings=WITH_TLS), SETTINGS, machine).files()
    assert refusal(haproxy_binary(version), files, tmp_path) == ""


def test_nothing_of_it_is_left_without_such_a_service() -> None:
    """But for the sockets where former workers hand over what they have."""
    files = render(desired_of(snapshot(), settings=SETTINGS, surroundings=WITH_TLS), SETTINGS, MACHINE)
    assert [each for each in binds(files.config) if "443" in each] == [
        "services: *:443",
        "services: unix@/run/swarmgate/port443.sock",
        "services: *:8443",
        "services: unix@/run/swarmgate/port8443.sock",
    ]
    assert "proxy:tls" not in files.config
    without_tls = render(desired_of(snapshot(SECURE)), ProxySettings(), MACHINE)
    assert "unix@/run/swarmgate/port443" not in without_tls.config


def test_options_of_the_port_go_where_they_mean_something() -> None:
    """Those about connections to whoever accepts them, those about TLS to whoever ends it."""
    words = "443 interface eth0 ssl-min-ver TLSv1.3 tfo ciphers ECDHE accept-proxy strict-sni:ssl"
    settings = ProxySettings(default_ports=words)
    config = render(desired_of(snapshot(SECURE), settings=settings, surroundings=WITH_TLS), settings, MACHINE).config
    tls = "ssl crt-list 'crt-list.txt' alpn h2,http/1.1"
    assert "    bind *:443 accept-proxy interface eth0 tfo\n" in config
    socket = "unix@/run/swarmgate/port443.sock mode 600 accept-proxy"
    assert f"    bind {socket} ssl-min-ver TLSv1.3 ciphers ECDHE strict-sni {tls} name" in config
