"""Mutual TLS between listener and proxies: who gets the world by it, who does not, and what they are told."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from fakes.fake_docker import FakeDocker
from haproxy.loopback import free_port
from roles.conftest import MakeListener, MakeProxy
from roles.processes import Proxy, Role, ask, eventually
from tls.authorities import Authority, Issued, certificate_pem, key_pem

from controller.channel import ChannelFiles
from controller.environment import listener_settings
from controller.turned_away import TurnedAway

OURS, FOREIGN = Authority.new("Ours"), Authority.new("Foreign")
LISTENER, PROXY = OURS.issue("localhost"), OURS.issue("proxy")
HERE = "127.0.0.1"


@pytest.fixture
def docker() -> Iterator[FakeDocker]:
    """A manager's engine, with a service that has a user."""
    with FakeDocker() as engine:
        labels = {"notify": "true", "servicePath": "/web", "outboundHostname": HERE, "users": "ann:secret"}
        engine.add_service("web", {f"com.df.{name}": value for name, value in labels.items()} | {"com.df.port": "1"})
        yield engine


Follow = Callable[..., Proxy]


def put(path: Path, text: str) -> Path:
    """Write a file in one step, as whoever renews certificates does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="ascii")
    fresh.replace(path)
    return path


def side(folder: Path, name: str, issued: Issued, authority: Authority = OURS) -> dict[str, str]:
    """Return the variables of one side, whose files are written to the folder."""
    return {
        "LISTENER_TLS_CERT": str(put(folder / f"{name}.pem", issued.pem)),
        "LISTENER_TLS_CA": str(put(folder / f"{name}-ca.pem", authority.pem)),
    }


@pytest.fixture
def port() -> int:
    """The listener's port for TLS."""
    return free_port()


@pytest.fixture
def listener(make_listener: MakeListener, docker: FakeDocker, folder: Path, port: int) -> Role:
    """A ready listener that speaks TLS."""
    variables = side(folder, "listener", LISTENER)
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TLS_PORT=str(port), API_TOKEN="t", **variables)
    eventually(made.ready, "the listener is ready")
    return made


def client(issued: Issued | None, folder: Path) -> ssl.SSLContext:
    """Return what a client shows and believes."""
    context = ssl.create_default_context(cadata=OURS.pem)
    if issued:
        context.load_cert_chain(put(folder / "client.pem", issued.pem))
    return context


def get(port: int, context: ssl.SSLContext, path: str = "/v1/snapshot") -> httpx.Response:
    """Ask by TLS."""
    return httpx.get(f"https://localhost:{port}{path}", verify=context, trust_env=False)


def told(proxy: Proxy) -> str:
    """Return why a proxy is not ready."""
    return str(proxy.get("/readyz").json()["message"])


@pytest.fixture
def follow(make_proxy: MakeProxy, newest: Path, folder: Path, port: int) -> Follow:
    """Start a proxy that follows the listener by TLS, with a certificate of its own and somebody it believes."""

    def start(issued: Issued = PROXY, authority: Authority = OURS, *, port: int = port) -> Proxy:
        return make_proxy(
            newest, LISTENER_ADDRESS=f"https://localhost:{port}", **side(folder, "proxy", issued, authority)
        )

    return start


@pytest.mark.haproxy
def test_a_proxy_gets_the_world_by_tls_and_the_listener_knows(follow: Follow, listener: Role) -> None:
    proxy = follow()

    eventually(lambda: proxy.status("/web") == 401, "the service's users are asked for")
    (replica,) = eventually(lambda: listener.get("/v1/replicas").json(), "the replica is known")
    assert replica["encrypted"] is True
    assert "without TLS" not in proxy.words()


@pytest.mark.haproxy
def test_a_proxy_without_tls_is_refused_and_told_why(make_proxy: MakeProxy, newest: Path, listener: Role) -> None:
    proxy = make_proxy(newest, LISTENER_ADDRESS=f"{HERE}:{listener.api}")

    eventually(lambda: "refuses with status 403" in told(proxy), "the listener gives nothing without TLS")
    assert "by TLS only" in listener.get("/v1/snapshot").json()["detail"]
    assert listener.get("/v1/docker-flow-swarm-listener/get-services").status_code == 403
    assert "by TLS only" in ask(f"http://{HERE}:{listener.api}/v1/services/x", "DELETE").json()["detail"]


def test_what_is_not_secret_is_answered_on_both_ports(listener: Role, folder: Path, port: int) -> None:
    """Health checks, metrics and Docker Flow's paths need no certificate."""
    for path in ("/healthz", "/readyz", "/metrics", "/v1/replicas", "/v1/docker-flow-swarm-listener/ping"):
        assert listener.get(path).is_success
        assert get(port, client(PROXY, folder), path).is_success


@pytest.mark.parametrize(
    "issued", [None, FOREIGN.issue("proxy"), OURS.issue("proxy", days=-1)], ids=["none", "foreign", "expired"]
)
def test_the_world_is_for_those_with_a_certificate_that_counts(
    listener: Role, folder: Path, port: int, issued: Issued | None
) -> None:
    assert listener.ready()
    assert get(port, client(PROXY, folder)).is_success
    with pytest.raises(httpx.TransportError):
        get(port, client(issued, folder))


@pytest.mark.parametrize(
    ("issued", "words"),
    [
        (None, "it shows no certificate"),
        (FOREIGN.issue("proxy"), "its certificate comes from no authority in LISTENER_TLS_CA here"),
        (OURS.issue("proxy", days=-1), "its certificate has expired"),
    ],
    ids=["none", "foreign", "expired"],
)
def test_the_listener_tells_whom_it_turns_away_but_not_each_time(
    listener: Role, folder: Path, port: int, issued: Issued | None, words: str
) -> None:
    """A proxy that asks in vain asks every few seconds, and others as often as they like."""
    assert listener.ready()
    for _ in range(5):
        with pytest.raises(httpx.TransportError):
            get(port, client(issued, folder))
    assert get(port, client(PROXY, folder)).is_success

    (line,) = [line for line in listener.words().splitlines() if "turned away" in line]
    assert words in line


def test_what_was_not_told_is_counted_and_reasons_are_told_apart() -> None:
    now = 0.0
    turned_away = TurnedAway(clock=lambda: now)
    none, expired = ssl.SSLError(1, "x"), ssl.SSLCertVerificationError(1, "x")
    none.reason, expired.reason = "PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED"
    expired.verify_code = 10
    with structlog.testing.capture_logs() as lines:
        for error in (none, none, expired, none, ssl.SSLEOFError(8, "left"), ssl.SSLWantReadError(2, "more")):
            turned_away.note(error)
        now = 60.0
        for error in (none, none):
            turned_away.note(error)

    assert [(line["reason"], line["and_since_last_told"]) for line in lines] == [
        ("it shows no certificate", 0),
        ("its certificate has expired", 0),
        ("it shows no certificate", 2),
    ]


def test_a_certificate_does_not_stand_in_for_the_token(
    make_listener: MakeListener, docker: FakeDocker, folder: Path, port: int
) -> None:
    """Where there is a token, both are needed."""
    variables = side(folder, "listener", LISTENER) | {"LISTENER_TOKEN": "between us"}
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TLS_PORT=str(port), **variables)
    eventually(made.ready, "the listener is ready")

    assert get(port, client(PROXY, folder)).status_code == 403


def test_each_request_proves_anew_who_sends_it(listener: Role, folder: Path, port: int) -> None:
    """No connection outlives what let it in, nor does a session that a client would like to go on with."""
    assert listener.ready()
    context, session = client(PROXY, folder), None
    for _ in range(2):
        with (
            socket.create_connection((HERE, port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
        ):
            connection.sendall(b"GET /v1/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.makefile().read().startswith("HTTP/1.1 200")
            assert not connection.session_reused
            session = connection.session


@pytest.mark.parametrize(
    ("shown", "believed", "words"),
    [
        (LISTENER, FOREIGN, "comes from no authority in LISTENER_TLS_CA here"),
        (OURS.issue("localhost", days=-1), OURS, "has expired: replace LISTENER_TLS_CERT at the listener"),
        (OURS.issue("elsewhere"), OURS, "is for another name: issue one for localhost"),
    ],
    ids=["wrong authority", "expired", "wrong name"],
)
@pytest.mark.haproxy
def test_a_proxy_says_what_is_wrong_with_the_listeners_certificate(  # noqa: PLR0917 - fixtures and cases
    listener: Role, follow: Follow, folder: Path, shown: Issued, believed: Authority, words: str
) -> None:
    assert listener.ready()
    side(folder, "listener", shown)
    proxy = follow(authority=believed)

    eventually(lambda: words in told(proxy), f"it is said that it {words}")


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (
            FOREIGN.issue("proxy"),
            "comes from an authority in LISTENER_TLS_CA at the listener (it comes from CN=Foreign)",
        ),
        (OURS.issue("proxy", days=-1), "certificate of this proxy has expired"),
    ],
    ids=["wrong authority", "expired"],
)
@pytest.mark.haproxy
def test_a_proxy_says_what_is_wrong_with_its_own_certificate(
    listener: Role, follow: Follow, shown: Issued, words: str
) -> None:
    assert listener.ready()
    proxy = follow(shown)

    eventually(lambda: words in told(proxy), f"it is said that it {words}")


@pytest.mark.haproxy
def test_a_proxy_says_that_there_is_no_tls(make_proxy: MakeProxy, newest: Path, listener: Role, folder: Path) -> None:
    assert listener.ready()
    proxy = make_proxy(newest, LISTENER_ADDRESS=f"https://localhost:{listener.api}", **side(folder, "proxy", PROXY))

    eventually(lambda: "speaks no TLS there" in told(proxy), "it is said")


@pytest.mark.haproxy
def test_files_that_are_replaced_count_from_the_next_request_on(
    docker: FakeDocker, listener: Role, follow: Follow, folder: Path, port: int
) -> None:
    """First one side moves to another authority, then the other one, and neither is restarted."""
    assert listener.ready()
    proxy = follow()
    eventually(proxy.ready, "the proxy is ready")

    side(folder, "listener", FOREIGN.issue("localhost"), FOREIGN)
    with pytest.raises(httpx.TransportError):
        get(port, client(PROXY, folder))
    docker.add_service("late", {"com.df.notify": "true", "com.df.servicePath": "/late", "com.df.port": "1"})
    eventually(lambda: "no authority in LISTENER_TLS_CA here" in proxy.words(), "the proxy does not believe it")

    side(folder, "proxy", FOREIGN.issue("proxy"), FOREIGN)
    eventually(lambda: proxy.condition("late", "Accepted"), "the proxy hears from the listener again")


def test_a_file_that_is_of_no_use_leaves_the_last_good_one(listener: Role, folder: Path, port: int) -> None:
    (folder / "listener.pem").write_text(certificate_pem(LISTENER.certificate), encoding="ascii")

    assert get(port, client(PROXY, folder)).is_success
    eventually(lambda: "of no use" in listener.words(), "it is told")
    put(folder / "listener.pem", OURS.issue("localhost").pem)
    assert get(port, client(PROXY, folder)).is_success
    eventually(lambda: "were replaced" in listener.words(), "it is told")


@pytest.mark.haproxy
def test_credentials_without_tls_are_told_once(
    make_listener: MakeListener, make_proxy: MakeProxy, docker: FakeDocker, newest: Path
) -> None:
    """It is no error, for the network may be encrypted; nobody but the operator knows."""
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TOKEN="t")
    proxy = make_proxy(newest, LISTENER_ADDRESS=f"{HERE}:{made.api}", LISTENER_TOKEN="t")
    eventually(proxy.ready, "the proxy is ready")

    docker.add_service("late", {"com.df.notify": "true", "com.df.servicePath": "/late", "com.df.users": "bob:b"})
    eventually(lambda: proxy.condition("late", "Accepted"), "the change has come")
    assert proxy.words().count("without TLS") == 1
    (replica,) = made.get("/v1/replicas").json()
    assert replica["encrypted"] is False


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"LISTENER_TLS_CERT": "/c.pem"}, "must be set together"),
        ({"LISTENER_TLS_CERT": "/c.pem", "LISTENER_TLS_CA": "/ca.pem"}, "LISTENER_TLS_CA, /ca.pem: No such file"),
        ({"LISTENER_TLS_KEY": "/k.pem"}, "which is not set"),
        ({"LISTENER_ADDRESS": "https://there"}, "LISTENER_TLS_CERT and LISTENER_TLS_CA must be set"),
    ],
)
@pytest.mark.haproxy
def test_variables_that_do_not_make_a_channel_end_the_start(
    make_proxy: MakeProxy, newest: Path, variables: dict[str, str], words: str
) -> None:
    proxy = make_proxy(newest, **{"LISTENER_ADDRESS": "there"} | variables)

    assert proxy.process is not None
    assert proxy.process.wait(20) != 0
    assert words in proxy.words()


def test_a_key_may_be_in_a_file_of_its_own_and_a_secret_is_the_file(folder: Path) -> None:
    """What is mounted as ``dfp_listener_tls_cert`` is the certificate, not the name of a file."""
    put(folder / "dfp_listener_tls_cert", certificate_pem(LISTENER.certificate))
    put(folder / "dfp_listener_tls_key", key_pem(LISTENER.key))
    put(folder / "dfp_listener_tls_ca", OURS.pem)
    files = ChannelFiles.of(listener_settings(secrets_dir=folder))

    assert files is not None
    assert files.cert == folder / "dfp_listener_tls_cert"
    assert files.context(ssl.PROTOCOL_TLS_SERVER).cert_store_stats()["x509_ca"] == 1
