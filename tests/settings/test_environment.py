"""Settings come from variables and from mounted secrets; a secret wins, and errors name the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from controller.environment import listener_settings, proxy_settings
from controller.errors import PermanentError
from models.labels.authentication import User
from models.settings import Bind, ListenerSettings, ProxySettings, Settings

SAMPLES: dict[str, tuple[str, Any]] = {
    "ip": ("127.0.0.1", "127.0.0.1"),
    "port": ("8081", 8081),
    "service_name": ("my_proxy", "my_proxy"),
    "docker_host": ("tcp://manager:2375", "tcp://manager:2375"),
    "df_notify_label": ("com.df.publish", "com.df.publish"),
    "listener_token": ("t0k3n", SecretStr("t0k3n")),
    "state_dir": ("/state", Path("/state")),
    "resync_interval": ("12.5", 12.5),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
    "listener_address": ("one:8080, two", ("one:8080", "two")),
    "stack_file": ("/stack.yml", Path("/stack.yml")),
    "default_ports": ("80,443 accept-proxy", (Bind(port=80), Bind(port=443, accept_proxy=True))),
    "stats_user": ("ann", "ann"),
    "stats_pass": ("secret", SecretStr("secret")),
    "stats_uri": ("/stats", "/stats"),
    "users": ("ann:a,bob:b", (User("ann", "a"), User("bob", "b"))),
    "users_pass_encrypted": ("true", True),
    "separator": ("|", "|"),
    "endpoints": ("tasks", "tasks"),
    "timeout_connect": ("1", 1.0),
    "timeout_client": ("2", 2.0),
    "timeout_server": ("3", 3.0),
    "timeout_queue": ("4", 4.0),
    "timeout_tunnel": ("5", 5.0),
    "timeout_http_request": ("6", 6.0),
    "timeout_http_keep_alive": ("0.5", 0.5),
    "maxconn": ("5000", 5000),
    "haproxy_binary": ("/usr/sbin/haproxy", "/usr/sbin/haproxy"),
    "run_dir": ("/tmp/run", Path("/tmp/run")),
    "drain_timeout": ("7", 7.0),
    "api_token": ("t0k3n", SecretStr("t0k3n")),
    "api_writes": ("open", "open"),
    "bind_ports": ("8443:ssl", (Bind(port=8443, ssl=True),)),
    "certs_dir": ("/c", Path("/c")),
    "preferred_certificate": ("a*,b.pem", ("a*", "b.pem")),
    "crt_list_path": ("/crt-list.txt", Path("/crt-list.txt")),
    "ca_file": ("/ca.pem", Path("/ca.pem")),
    "enable_h2": ("false", False),
    "enable_h3": ("true", True),
    "ssl_bind_options": ("ssl-min-ver TLSv1.3", "ssl-min-ver TLSv1.3"),
    "ssl_bind_ciphers": ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    "allow_raw_config": ("false", False),
    "templates_dir": ("/t", Path("/t")),
    "extra_frontend": ("acl a path /a", "acl a path /a"),
    "extra_global": ("nbthread 1,nbproc 1", "nbthread 1,nbproc 1"),
    "filter_proxy_instance_name": ("true", True),
    "proxy_instance_name": ("inner", "inner"),
    "df_notify_create_service_url": ("http://a/x,http://b/x", ("http://a/x", "http://b/x")),
    "df_notify_remove_service_url": ("http://a/x", ("http://a/x",)),
    "df_notify_create_node_url": ("http://a/x", ("http://a/x",)),
    "df_notify_remove_node_url": ("http://a/x", ("http://a/x",)),
    "df_notif_create_service_url": ("http://a/x", ("http://a/x",)),
    "df_notif_remove_service_url": ("http://a/x", ("http://a/x",)),
    "df_notification_url": ("http://a/x", ("http://a/x",)),
    "df_notify_create_service_method": ("get,put", ("GET", "PUT")),
    "df_notify_remove_service_method": ("post", ("POST",)),
    "df_retry": ("3", 3),
    "df_retry_interval": ("1.5", 1.5),
    "df_service_name_prefix": ("east", "east"),
}
"""For every setting a text, and what it is read as."""
DEFAULTS = ProxySettings().model_dump()
COMPANION = {"stats_user": ("STATS_PASS", "x"), "stats_pass": ("STATS_USER", "x")}
"""What must be set as well."""
FIELDS = [pytest.param(name, id=name) for name in ProxySettings.model_fields]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this machine is a setting of a test."""
    for name in ProxySettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str, str], None]:
    """Mounts a secret in a folder of the test (which is ``tmp_path``)."""

    def mount(name: str, content: str) -> None:
        (tmp_path / f"dfp_{name}").write_text(content)

    return mount


def test_every_setting_has_a_sample_here() -> None:
    """A new setting is tested as all others are."""
    assert set(SAMPLES) == set(ProxySettings.model_fields) | set(ListenerSettings.model_fields)


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_documents_itself(name: str) -> None:
    """The documentation is made from this."""
    assert (ProxySettings.model_fields[name].description or "").rstrip("`)").endswith(".")


def set_companion(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what must stand beside a setting."""
    if name in COMPANION:
        monkeypatch.setenv(*COMPANION[name])


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_may_be_a_variable(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In capitals."""
    text, value = SAMPLES[name]
    set_companion(name, monkeypatch)
    monkeypatch.setenv(name.upper(), text)
    assert getattr(proxy_settings(secrets_dir=tmp_path), name) == value


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_may_be_a_secret(
    name: str, monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """In lower case after ``dfp_``; files that end with a line break are as good as those that do not."""
    text, value = SAMPLES[name]
    set_companion(name, monkeypatch)
    secret(name, f"{text}\n")
    assert getattr(proxy_settings(secrets_dir=tmp_path), name) == value


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in Settings.model_fields])
def test_the_listener_reads_what_both_share(
    name: str, monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """Likewise from both."""
    text, value = SAMPLES[name]
    monkeypatch.setenv(name.upper(), text)
    assert getattr(listener_settings(secrets_dir=tmp_path), name) == value
    monkeypatch.delenv(name.upper())
    secret(name, text)
    assert getattr(listener_settings(secrets_dir=tmp_path), name) == value


def test_secret_wins_over_variable(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """As in DFP."""
    monkeypatch.setenv("STATS_USER", "from-variable")
    monkeypatch.setenv("STATS_PASS", "from-variable")
    secret("stats_user", "from-secret\n")
    secret("stats_pass", "from-secret\n")
    settings = proxy_settings(secrets_dir=tmp_path)
    assert (settings.stats_user, settings.stats_pass.get_secret_value()) == ("from-secret", "from-secret")


def test_option_wins_over_both(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """What stands on the command line is meant."""
    monkeypatch.setenv("PORT", "1")
    secret("port", "2")
    assert proxy_settings(secrets_dir=tmp_path, port=3).port == 3
    assert proxy_settings(secrets_dir=tmp_path, port=None).port == 2


@pytest.mark.parametrize("name", FIELDS)
def test_empty_variable_is_no_variable(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stack files set variables from others that may be empty."""
    monkeypatch.setenv(name.upper(), "")
    assert proxy_settings(secrets_dir=tmp_path).model_dump() == DEFAULTS


@pytest.mark.parametrize("name", FIELDS)
def test_empty_secret_is_no_secret(name: str, secret: Callable[[str, str], None], tmp_path: Path) -> None:
    """Just so."""
    secret(name, "\n")
    assert proxy_settings(secrets_dir=tmp_path).model_dump() == DEFAULTS


def test_empty_secret_does_not_open_what_the_variable_closes(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """An empty file says nothing, so the variable counts."""
    monkeypatch.setenv("USERS", "ann:a")
    secret("users", "\n")
    assert proxy_settings(secrets_dir=tmp_path).users == (User("ann", "a"),)


def test_folder_of_secrets_may_be_missing(tmp_path: Path) -> None:
    """There is none outside a Swarm."""
    assert proxy_settings(secrets_dir=tmp_path / "none").model_dump() == DEFAULTS


def test_other_secrets_and_variables_are_none_of_our_business(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """Users of services, and everything else in a container."""
    monkeypatch.setenv("HOSTNAME", "x")
    monkeypatch.setenv("DFP_SERVICE_1_SERVICE_NAME", "x")
    secret("users_monitoring", "ann:a")
    (tmp_path / "other").write_text("x")
    assert proxy_settings(secrets_dir=tmp_path).model_dump() == DEFAULTS


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        pytest.param("PORT", "http", "is not a whole number", id="port in letters"),
        pytest.param("PORT", "70000", "less than or equal to 65535", id="port too large"),
        pytest.param("RESYNC_INTERVAL", "-1", "greater than 0", id="negative seconds"),
        pytest.param("RESYNC_INTERVAL", "nan", "", id="no number of seconds"),
        pytest.param("TIMEOUT_CLIENT", "20s", "valid number", id="seconds with a unit"),
        pytest.param("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'", id="unknown level"),
        pytest.param("ENDPOINTS", "dns", "'vip' or 'tasks'", id="unknown endpoints"),
        pytest.param("DEFAULT_PORTS", "80,x", "is not a port", id="port among ports"),
        pytest.param("DEFAULT_PORTS", "80 ssl", "is not a port", id="unknown word after a port"),
        pytest.param("DEFAULT_PORTS", "99999", "65535", id="large port among ports"),
        pytest.param("USERS", ":x", "has a user without a name", id="nameless user"),
        pytest.param("USERS_PASS_ENCRYPTED", "yes", "is neither true nor false", id="no flag"),
        pytest.param("SEPARATOR", "||", "at most 1 character", id="two separators"),
        pytest.param("STATS_URI", "stats", "is not a path", id="no path"),
        pytest.param("STATS_URI", "/x\n", "", id="path with a line break"),
        pytest.param("MAXCONN", "1", "greater than or equal to 10", id="too few connections"),
    ],
)
def test_error_names_variable_and_secret(
    name: str, text: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever reads it knows what to repair."""
    monkeypatch.setenv(name, text)
    with pytest.raises(PermanentError) as caught:
        proxy_settings(secrets_dir=tmp_path)
    assert str(caught.value).startswith(f"the variable {name} (or secret dfp_{name.lower()}): ")
    assert words in str(caught.value)


def test_all_errors_are_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to start it once per mistake."""
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("SEPARATOR", "||")
    with pytest.raises(PermanentError, match=r"PORT.*; the variable SEPARATOR"):
        proxy_settings(secrets_dir=tmp_path)


@pytest.mark.parametrize("name", ["USERS", "STATS_PASS", "LISTENER_TOKEN"])
def test_no_secret_is_in_a_message(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither in an error nor where settings are shown."""
    monkeypatch.setenv(name, "ann:hunter2,b c:hunter2")
    try:
        shown = repr(proxy_settings(secrets_dir=tmp_path))
    except PermanentError as error:
        shown = str(error)
    assert "hunter2" not in shown


@pytest.mark.parametrize("name", ["STATS_USER", "STATS_PASS"])
def test_statistics_need_user_and_password(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One of them alone is a mistake, not an open page."""
    monkeypatch.setenv(name, "x")
    with pytest.raises(PermanentError, match="STATS_USER and STATS_PASS must be set together"):
        proxy_settings(secrets_dir=tmp_path)


def test_label_rules_follow_the_settings() -> None:
    """Labels are read as the proxy is told to."""
    rules = ProxySettings(separator="|", df_notify_label="com.df.publish").label_rules
    assert (rules.separator, rules.notify_label) == ("|", "com.df.publish")
