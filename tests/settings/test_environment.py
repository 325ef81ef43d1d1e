"""Settings come from variables and from mounted secrets; a secret wins, and errors name the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from settings.samples import SAMPLES

from controller.environment import listener_settings, notices, proxy_settings
from controller.errors import PermanentError
from controller.sources.docker_api import WORLD_EVENTS
from models.labels.authentication import User
from models.service import TABLE
from models.settings import Bind, ListenerSettings, ProxySettings, Settings
from models.settings.label_defaults import LabelDefaults
from models.settings.obsolete import OBSOLETE

DEFAULTS = ProxySettings().model_dump()
ELSEWHERE: dict[str, tuple[str, Any]] = {
    "my_user": ("eve", ("stats_user", "eve")),
    "my_pass": ("x:y", ("stats_pass", SecretStr("x:y"))),
    "my_uri": ("/s", ("stats_uri", "/s")),
}
"""What other variables are named in the tests, and what setting they are when they are."""
COMPANIONS = {
    "stats_user": {"STATS_PASS": "x"},
    "stats_pass": {"STATS_USER": "x"},
    "listener_tls_cert": {"LISTENER_TLS_CA": "/x"},
    "listener_tls_ca": {"LISTENER_TLS_CERT": "/x"},
    "listener_tls_key": {"LISTENER_TLS_CERT": "/x", "LISTENER_TLS_CA": "/x"},
}
"""What must be set as well."""
MOUNTED = {"listener_tls_cert", "listener_tls_key", "listener_tls_ca"}
"""Settings that are where a file is: a secret of the name is that file."""
FIELDS = [pytest.param(name, id=name) for name in ProxySettings.model_fields]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this machine is a setting of a test."""
    for name in (*ProxySettings.model_fields, *map(str.lower, OBSOLETE)):
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


def set_companions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what must stand beside a setting."""
    for variable, value in COMPANIONS.get(name, {}).items():
        monkeypatch.setenv(variable, value)


def as_secret(name: str, folder: Path) -> Any:  # noqa: ANN401 - any setting's
    """Return what a setting is if its sample is mounted as a secret."""
    return folder / f"dfp_{name}" if name in MOUNTED else SAMPLES[name][1]


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_may_be_a_variable(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In capitals."""
    text, value = SAMPLES[name]
    set_companions(name, monkeypatch)
    monkeypatch.setenv(name.upper(), text)
    assert getattr(proxy_settings(secrets_dir=tmp_path), name) == value


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_may_be_a_secret(
    name: str, monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """In lower case after ``dfp_``; files that end with a line break are as good as those that do not."""
    set_companions(name, monkeypatch)
    secret(name, f"{SAMPLES[name][0]}\n")
    assert getattr(proxy_settings(secrets_dir=tmp_path), name) == as_secret(name, tmp_path)


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in Settings.model_fields])
def test_the_listener_reads_what_both_share(
    name: str, monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """Likewise from both."""
    text, value = SAMPLES[name]
    set_companions(name, monkeypatch)
    monkeypatch.setenv(name.upper(), text)
    assert getattr(listener_settings(secrets_dir=tmp_path), name) == value
    monkeypatch.delenv(name.upper())
    secret(name, text)
    assert getattr(listener_settings(secrets_dir=tmp_path), name) == as_secret(name, tmp_path)


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
        pytest.param("DEFAULT_PORTS", "80 accept-prox", "'accept-prox' is none of", id="misspelt option of a port"),
        pytest.param("DEFAULT_PORTS", "443 crt /etc/x:ssl", "'crt' is none of", id="option of a port that reads files"),
        pytest.param("BIND_PORTS", "80 interface", "'interface' needs a value", id="option of a port without value"),
        pytest.param("BIND_PORTS", "80 interface a'b", "'interface' needs a value", id="strange interface"),
        pytest.param("BIND_PORTS", ":ssl", "is not a port", id="no port before the rest"),
        pytest.param("CAPTURE_REQUEST_HEADER", "Host", "is not of the form Name:length", id="header without length"),
        pytest.param("CAPTURE_REQUEST_HEADER", "Host:0", "greater than or equal to 1", id="nothing of a header"),
        pytest.param("CAPTURE_REQUEST_HEADER", "Ho st:1", "is not of the form Name:length", id="no name of a header"),
        pytest.param("CONNECTION_MODE", "keep-alive", "'http-keep-alive', 'http-server-close'", id="unknown mode"),
        pytest.param("COMPRESSION_ALGO", "gzip,deflate", "'gzip'", id="algorithms with a comma"),
        pytest.param("COMPRESSION_TYPE", 'text/html";', "is not a media type", id="no media type"),
        pytest.param("DEFAULT_REQ_MODE", "HTTP", "'http'", id="mode in capitals"),
        pytest.param("SERVICE_DOMAIN_ALGO", "hdr_reg(cookie)", "'hdr(host)'", id="unknown algorithm"),
        pytest.param("HTTPS_ONLY", "yes", "is neither true nor false", id="neither true nor false"),
        pytest.param("DEBUG_HTTP_FORMAT", "%ci\n", "contains a line break", id="format of two lines"),
        pytest.param("TRUSTED_PROXIES", "10.0.0.1,proxy", "is neither an address nor a network", id="proxy by name"),
        pytest.param("STATS_PORT", "0", "greater than or equal to 1", id="no port for statistics"),
        pytest.param("STATS_USER_ENV", "MY-USER", "is not the name of a variable", id="name of no variable"),
        pytest.param("USERS", "ann,bob:", "has no user with a password", id="users without passwords"),
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
    rules = ProxySettings(separator="|", df_notify_label="com.df.publish", https_only=True).label_rules
    assert (rules.separator, rules.notify_label, rules.defaults) == ("|", "com.df.publish", (("httpsOnly", "true"),))


def test_every_label_with_a_default_exists() -> None:
    """What is said for all services can be said by one."""
    given = {name: SAMPLES[name][0] for name in LabelDefaults.model_fields}
    defaults = ProxySettings(**given).label_defaults
    assert [label for label, _ in defaults if label not in TABLE] == []
    assert len(defaults) == len(LabelDefaults.model_fields)


def test_statistics_have_no_port_of_the_proxys_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That of the API is refused; one of the HTTP ports means that the page is there, as does none."""
    assert ProxySettings(stats_user="a", stats_pass="b", stats_port=80).stats_frontend_port is None
    assert ProxySettings(stats_user="a", stats_pass="b").stats_frontend_port is None
    assert ProxySettings(stats_port=81).stats_frontend_port is None
    for name, text in {"STATS_USER": "a", "STATS_PASS": "b", "STATS_PORT": "8080"}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(PermanentError, match="STATS_PORT is 8080, which is the port of the API"):
        proxy_settings(secrets_dir=tmp_path)


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("kind", ["variable", "secret"])
def test_statistics_may_be_described_elsewhere(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch, secret: Callable[[str, str], None], tmp_path: Path
) -> None:
    """``STATS_USER_ENV`` names the variable, or the secret, that counts instead of the usual one."""
    text, (setting, value) = ELSEWHERE[name]
    set_companions(setting, monkeypatch)
    monkeypatch.setenv(setting.upper(), "/usual")
    monkeypatch.setenv(f"{setting}_env".upper(), name.upper())
    if kind == "secret":
        secret(name, f"{text}\n")
    else:
        monkeypatch.setenv(name.upper(), text)
    assert getattr(proxy_settings(secrets_dir=tmp_path), setting) == value
    assert notices(tmp_path) == []


def test_statistics_may_be_described_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no page then, as in DFP, and somebody is told why."""
    for name, text in {"STATS_USER": "a", "STATS_PASS": "b"}.items():
        monkeypatch.setenv(name, text)
        monkeypatch.setenv(f"{name}_ENV", f"MY_{name}")
    assert proxy_settings(secrets_dir=tmp_path).stats_user == ""
    assert [notice["variable"] for notice in notices(tmp_path)] == ["STATS_USER_ENV", "STATS_PASS_ENV"]
    assert "MY_STATS_USER" in notices(tmp_path)[0]["why"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("%ci:%cp %ST", "%ci:%cp %ST", id="as it is"),
        pytest.param('{"client":"%ci"}', '{"client":"%ci"}', id="quotes of its own"),
        pytest.param(r"%ci:%cp\ [%t]\ %{+Q}r", "%ci:%cp [%t] %{+Q}r", id="blanks with backslashes"),
        pytest.param("'%ci \"%HU\"'", '%ci "%HU"', id="in quotes"),
        pytest.param('"%ci" "%HU"', '"%ci" "%HU"', id="two words in quotes"),
        pytest.param('"%ci', '"%ci', id="one quote"),
        pytest.param(r"it's\ %ci", r"it's\ %ci", id="one quote among blanks"),
    ],
)
def test_formats_may_be_quoted_as_in_haproxys_files(text: str, read: str) -> None:
    """DFP copied them there as they were."""
    assert ProxySettings(debug_http_format=text).debug_http_format == read


@pytest.mark.parametrize("text", ["80", "443:ssl", "443 accept-proxy:ssl", "80 accept-proxy interface eth0 mss 1400"])
def test_ports_are_shown_as_they_are_written(text: str) -> None:
    """In the documentation and in messages."""
    assert str(ProxySettings(default_ports=text).default_ports[0]) == text


def test_options_of_ports() -> None:
    """They keep their order; what is ours to know is known."""
    (bind,) = ProxySettings(default_ports="443 interface eth0 accept-proxy ciphers A:B:ssl").default_ports
    assert bind == Bind(port=443, accept_proxy=True, ssl=True, options=("interface", "eth0", "ciphers", "A:B"))
    assert bind.interface == "eth0"


def test_tls_of_services_follows_what_is_set() -> None:
    """Not our default, which is stricter than DFP's was; without words that HAProxy does not take for servers."""
    assert (ProxySettings().ssl_server_options, ProxySettings().ssl_server_ciphers) == ("", "")
    words = "prefer-client-ciphers ssl-min-ver TLSv1.1 no-sslv3 strict-sni no-tls-tickets force-tlsv12"
    settings = ProxySettings(ssl_bind_options=words, ssl_bind_ciphers="A:B")
    assert settings.ssl_server_options == "ssl-min-ver TLSv1.1 no-sslv3 no-tls-tickets force-tlsv12"
    assert settings.ssl_server_ciphers == "A:B"


LISTENER_FIELDS = [name for name in ListenerSettings.model_fields if name not in Settings.model_fields]


@pytest.mark.parametrize("name", LISTENER_FIELDS)
def test_every_setting_of_the_listener_may_be_a_variable(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In capitals, and it documents itself."""
    text, value = SAMPLES[name]
    monkeypatch.setenv(name.upper(), text)
    assert getattr(listener_settings(secrets_dir=tmp_path), name) == value
    assert (ListenerSettings.model_fields[name].description or "").rstrip("`)").endswith(".")


def test_how_the_listener_looks_at_the_swarm() -> None:
    """Events may be switched off; a shorter interval counts, a longer one is told to be without effect."""
    plain = ListenerSettings()
    assert (plain.engine, plain.polling_interval, plain.without_effect) == (plain.docker_host, 5, {})
    assert set(plain.event_types) == set(WORLD_EVENTS)
    assert ListenerSettings(df_use_docker_service_events=False).event_types == ("node",)
    quiet = ListenerSettings(
        df_docker_host="tcp://manager:2375",
        docker_host="tcp://other:2375",
        df_service_polling_interval=2,
        df_node_polling_interval=60,
        df_use_docker_service_events=False,
        df_use_docker_node_events=False,
        df_retry=3,
    )
    assert (quiet.engine, quiet.polling_interval, quiet.event_types) == ("tcp://manager:2375", 2, ())
    assert set(quiet.without_effect) == {"DF_NODE_POLLING_INTERVAL", "DF_RETRY"}
    assert not ListenerSettings(df_retry=0).without_effect
