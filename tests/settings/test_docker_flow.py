"""Every variable of Docker Flow Proxy is known: as a setting, or as one that has lost its purpose and says so once."""

from pathlib import Path

import pytest

from controller.environment import notices, proxy_settings
from models.settings import ProxySettings
from models.settings.obsolete import OBSOLETE

DEFAULTS = {
    "BIND_PORTS": "",
    "CAPTURE_REQUEST_HEADER": "",
    "CA_FILE": "",
    "CERTS": "",
    "CFG_TEMPLATE_PATH": "/cfg/tmpl/haproxy.tmpl",
    "CHECK_RESOLVERS": "false",
    "COMPRESSION_ALGO": "",
    "COMPRESSION_TYPE": "",
    "CONNECTION_MODE": "http-keep-alive",
    "CRT_LIST_PATH": "",
    "DEBUG": "false",
    "DEBUG_ERRORS_ONLY": "",
    "DEBUG_HTTP_FORMAT": "",
    "DEBUG_TCP_FORMAT": "",
    "DEFAULT_PORTS": "80,443:ssl",
    "DEFAULT_PROTOCOL": "",
    "DEFAULT_REQ_MODE": "http",
    "DISPLAY_CONFIG_ON_ERROR": "",
    "DNS_LOOKUP_PAUSE_MS": "",
    "DO_NOT_RESOLVE_ADDR": "false",
    "ENABLE_H2": "true",
    "EXTRA_FRONTEND": "",
    "EXTRA_GLOBAL": "",
    "FILTER_PROXY_INSTANCE_NAME": "false",
    "HEALTHCHECK": "true",
    "HTTPS_ONLY": "false",
    "IP": "",
    "LISTENER_ADDRESS": "",
    "MODE": "default",
    "PORT": "",
    "PREFERRED_CERTIFICATE": "",
    "PROXY_INSTANCE_NAME": "docker-flow",
    "RECONFIGURE_ATTEMPTS": "20",
    "RELOAD_ATTEMPTS": "5",
    "RELOAD_INTERVAL": "5000",
    "REPEAT_RELOAD": "false",
    "RESOLVERS": "nameserver dns 127.0.0.11:53",
    "SEPARATOR": ",",
    "SERVICE_DOMAIN_ALGO": "hdr_beg(host)",
    "SERVICE_NAME": "proxy",
    "SKIP_ADDRESS_VALIDATION": "true",
    "SSL_BIND_CIPHERS": "ECDH+AESGCM:ECDH+CHACHA20:DH+AESGCM:ECDH+AES256:DH+AES256:ECDH+AES128:DH+AES:RSA+AESGCM"
    ":RSA+AES:!aNULL:!MD5:!DSS",
    "SSL_BIND_OPTIONS": "no-sslv3",
    "STATS_PASS": "",
    "STATS_PASS_ENV": "STATS_PASS",
    "STATS_PORT": "",
    "STATS_URI": "",
    "STATS_URI_ENV": "STATS_URI",
    "STATS_USER": "",
    "STATS_USER_ENV": "STATS_USER",
    "TERMINATE_ON_RELOAD": "",
    "TIMEOUT_CLIENT": "20",
    "TIMEOUT_CONNECT": "5",
    "TIMEOUT_HTTP_KEEP_ALIVE": "15",
    "TIMEOUT_HTTP_REQUEST": "5",
    "TIMEOUT_QUEUE": "30",
    "TIMEOUT_SERVER": "20",
    "TIMEOUT_TUNNEL": "3600",
    "USERS": "",
    "USERS_PASS_ENCRYPTED": "",
}
"""Every variable with the value that the image of Docker Flow Proxy gives it."""


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_variable_is_known(name: str) -> None:
    """As one or the other, never as both."""
    assert (name.lower() in ProxySettings.model_fields) != (name in OBSOLETE)


def test_what_docker_flows_image_sets_is_accepted_in_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stack file may repeat all of it."""
    for name, value in DEFAULTS.items():
        monkeypatch.setenv(name, value)
    assert proxy_settings(secrets_dir=tmp_path).default_ports == ProxySettings().default_ports
    assert notices(tmp_path) == []


@pytest.mark.parametrize("name", OBSOLETE)
@pytest.mark.parametrize("kind", ["variable", "secret"])
def test_variables_without_effect_are_explained_once(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the reason, and with what to do instead."""
    for other in OBSOLETE:
        monkeypatch.delenv(other, raising=False)
    if kind == "secret":
        (tmp_path / f"dfp_{name.lower()}").write_text("7\n")
    else:
        monkeypatch.setenv(name, "7")
    (notice,) = notices(tmp_path)
    assert notice["variable"] == name
    assert notice["why"]
    assert notice["instead"]
    assert proxy_settings(secrets_dir=tmp_path).model_dump() == ProxySettings().model_dump()
