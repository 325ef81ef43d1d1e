"""DFP's paths on the proxy: the contract that its users' scripts rely on, less what leaked secrets."""

import signal
import stat
from pathlib import Path

import httpx
import pytest
from haproxy.loopback import free_port
from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, stack
from tls.authorities import Authority, certificate_pem, fixed_certificate
from tls.clients import shown

TOKEN = "a token"
BASE = "/v1/docker-flow-proxy"


@pytest.fixture
def proxy(make_proxy: MakeProxy, newest: Path, folder: Path, backend: int) -> Proxy:
    """A ready proxy with one service ``web`` at ``/web``, which has a user, and with an API token."""
    file = folder / "stack.yml"
    file.write_text(stack({"web": plain(backend, "/web", users="ann:a-password")}), encoding="utf-8")
    made = make_proxy(
        newest,
        "--stack-file",
        str(file),
        API_TOKEN=TOKEN,
        STATS_USER="stats",
        STATS_PASS="stats-password",
        DFP_SERVICE_1_SERVICE_NAME="outside",
        DFP_SERVICE_1_SERVICE_PATH="/outside",
        DFP_SERVICE_1_PORT=str(backend),
        DFP_SERVICE_1_OUTBOUND_HOSTNAME="127.0.0.1",
        DFP_SERVICE_2_SERVICE_PATH="/nameless",
    )
    eventually(made.ready, "the proxy is ready")
    return made


def ask(proxy: Proxy, path: str, *, token: str | None = TOKEN, method: str = "GET", **query: str) -> httpx.Response:
    """Send a request to the API, with the token unless told otherwise."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, f"http://127.0.0.1:{proxy.api}{path}", params=query, headers=headers, timeout=15)


def shop(backend: int, **more: str) -> dict[str, str]:
    """Return the parameters of a service."""
    return {
        "serviceName": "shop",
        "servicePath": "/shop",
        "port": str(backend),
        "outboundHostname": "127.0.0.1",
        "distribute": "true",
        **more,
    }


def test_variables_declare_a_service(proxy: Proxy) -> None:
    """It is there from the start, and a mistake names its variable."""
    assert proxy.status("/outside/x") == 200
    assert "DFP_SERVICE_2_SERVICE_NAME is missing" in proxy.words()


def test_a_reconfigured_service_is_live_with_the_answer_and_after_a_restart(proxy: Proxy, backend: int) -> None:
    """``reconfigure`` is synchronous, and what it declared is kept; ``remove`` ends it, synchronously too."""
    answer = ask(proxy, f"{BASE}/reconfigure", **shop(backend, users="bob:another-password"))

    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["Status"], said["ServiceName"], said["AclName"]) == ("OK", "shop", "shop")
    assert said["ServiceDest"][0]["ServicePath"] == ["/shop"]
    assert "another-password" not in answer.text
    assert proxy.status("/shop") == 401

    proxy.send(signal.SIGKILL)
    kept = proxy.home / "state" / "declared.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    proxy.start()
    eventually(proxy.ready, "the proxy is ready again")
    assert proxy.status("/shop") == 401

    assert ask(proxy, f"{BASE}/remove", serviceName="shop").json()["Status"] == "OK"
    assert proxy.status("/shop") == 503
    assert ask(proxy, f"{BASE}/remove", serviceName="shop").status_code == 200


REFUSED: tuple[tuple[dict[str, str], int, str], ...] = (
    ({}, 400, "serviceName"),
    ({"serviceName": "x", "port": "80"}, 409, "com.df.servicePath is missing"),
    ({"serviceName": "x", "servicePath": "/x"}, 400, "com.df.port is missing"),
    ({"serviceName": "x", "reqMode": "tcp", "port": "80"}, 400, "srcPort"),
    ({"serviceName": "../x", "servicePath": "/x", "port": "80"}, 400, "serviceName"),
    (
        {"serviceName": "x", "servicePath": "/x", "port": "80", "conectionMode": "a"},
        400,
        "did you mean com.df.connectionMode?",
    ),
    ({"serviceName": "web", "servicePath": "/y", "port": "80"}, 409, "by its own labels"),
    (
        {"serviceName": "y", "servicePath": "/outside", "port": "80", "outboundHostname": "127.0.0.1"},
        409,
        "already claimed",
    ),
)


def test_a_refused_reconfigure_tells_why(proxy: Proxy) -> None:
    """400 and 409 as DFP, with the problems as the message."""
    for parameters, status, words in REFUSED:
        answer = ask(proxy, f"{BASE}/reconfigure", **parameters)

        assert (answer.status_code, answer.json()["Status"]) == (status, "NOK"), parameters
        assert words in answer.json()["Message"]


def test_changing_takes_the_token(proxy: Proxy, backend: int) -> None:
    """Everything that changes something says 403 without it; the news of a service that labels declare is no change."""
    for token, news in ((None, 200), ("wrong", 403)):
        assert ask(proxy, f"{BASE}/reconfigure", token=token, **shop(backend)).status_code == 403
        assert ask(proxy, f"{BASE}/reload", token=token).status_code == 403
        assert ask(proxy, f"{BASE}/cert", token=token, method="PUT", certName="a.pem").status_code == 403
        assert ask(proxy, "/v1/services/shop", token=token, method="DELETE").status_code == 403
        assert ask(proxy, f"{BASE}/remove", token=token, serviceName="web").status_code == news
        announced = ask(proxy, f"{BASE}/reconfigure", token=token, serviceName="web", servicePath="/else", port="1")
        assert announced.status_code == news
    assert proxy.status("/web") == 401
    assert proxy.status("/shop") == 503


def test_own_interface(proxy: Proxy, backend: int) -> None:
    """``PUT`` and ``DELETE`` of a service, with labels as JSON; the other header works as well."""
    url = f"http://127.0.0.1:{proxy.api}/v1/services/shop"
    labels = {"servicePath": "/shop", "com.df.port": str(backend), "outboundHostname": "127.0.0.1"}
    put = httpx.put(url, json=labels, headers={"X-Api-Token": TOKEN}, timeout=15)

    assert put.status_code == 200, put.text
    assert {fact["type"]: fact["status"] for fact in put.json()["conditions"]}["Programmed"] == "True"
    assert proxy.status("/shop") == 200
    bad = httpx.put(url, json={"servicePath": "shop"}, headers={"X-Api-Token": TOKEN}, timeout=15)
    assert bad.status_code == 400
    assert len(bad.json()["problems"]) == 1
    assert httpx.delete(url, headers={"X-Api-Token": TOKEN}, timeout=15).status_code == 200
    assert proxy.status("/shop") == 503
    assert httpx.delete(url, headers={"X-Api-Token": TOKEN}, timeout=15).status_code == 404


def test_nothing_that_is_shown_holds_a_secret(proxy: Proxy) -> None:
    """The configuration as text and as JSON, and the services."""
    text = ask(proxy, f"{BASE}/config", token=None)
    services = ask(proxy, f"{BASE}/config", token=None, type="json")

    assert "frontend services" in text.text
    assert services.json()["web"]["ServiceName"] == "web"
    for answer in (text, services, proxy.get("/v1/services"), ask(proxy, f"{BASE}/certs")):
        assert answer.status_code == 200
        assert "a-password" not in answer.text
        assert "stats-password" not in answer.text


def test_probes(proxy: Proxy) -> None:
    """They say OK, whatever the method."""
    for path in (f"{BASE}/ping", f"{BASE}/successfulinitreload", "/v1/test", "/v2/test"):
        for method in ("GET", "POST"):
            answer = ask(proxy, path, token=None, method=method)

            assert (answer.status_code, answer.json()["Status"]) == (200, "OK"), path


def test_metrics_are_haproxys_csv(proxy: Proxy) -> None:
    """As ``show stat`` gives it."""
    answer = ask(proxy, f"{BASE}/metrics", token=None)

    assert answer.status_code == 200
    assert answer.text.startswith("# pxname,svname,")
    assert "\nservices,FRONTEND," in answer.text


def test_metrics_have_dfps_names(proxy: Proxy, backend: int) -> None:
    """Beside Swarmgate's own, on one page."""
    assert proxy.status("/outside/x") == 200
    assert proxy.metric("haproxy_up") == 1
    name = f"outside-be{backend}_0"
    assert proxy.metric("haproxy_backend_up", backend=name) == 1
    assert proxy.metric("haproxy_server_up", backend=name, server="outside") == 1
    assert proxy.metric("haproxy_frontend_http_requests_total", frontend="services")
    assert eventually(
        lambda: proxy.metric("haproxy_backend_http_responses_total", backend=name, code="2xx"), "the answer is counted"
    )
    assert proxy.metric("swarmgate_certificates_rejected") == 0
    assert proxy.get("/metrics").headers["content-type"].startswith("text/plain")


def put_certificate(proxy: Proxy, name: str, body: str, path: str = "") -> httpx.Response:
    """Put a certificate, by DFP's path unless told otherwise."""
    url = f"http://127.0.0.1:{proxy.api}{path or f'{BASE}/cert'}"
    query = {} if path else {"certName": name}
    return httpx.put(url, params=query, content=body, headers={"X-Api-Token": TOKEN}, timeout=15)


def test_a_certificate_is_in_force_with_the_answer_and_after_a_restart(
    make_proxy: MakeProxy, newest: Path, folder: Path
) -> None:
    """Without a listener it is kept in the state folder; the list has it without its key, under DFP's names."""
    authority = Authority.new()
    first, other, weak = (
        authority.issue("shop.example"),
        authority.issue("other.example"),
        authority.issue("a", kind="weak"),
    )
    (folder / "stack.yml").write_text(stack({}), encoding="utf-8")
    (folder / "certs").mkdir()
    (folder / "certs" / "b.pem").write_text(other.pem)
    tls = free_port()
    proxy = make_proxy(
        newest,
        "--stack-file",
        str(folder / "stack.yml"),
        API_TOKEN=TOKEN,
        CERTS_DIR=str(folder / "certs"),
        DEFAULT_PORTS=f"{free_port()},{tls}:ssl",
    )
    eventually(proxy.ready, "the proxy is ready")

    answer = put_certificate(proxy, "a.pem", first.pem)
    said = answer.json()
    assert (answer.status_code, said["Status"], said["Message"]) == (200, "OK", "a.pem is in force")
    assert shown(tls, "shop.example") == first.serial
    listed = ask(proxy, f"{BASE}/certs", token=None).json()
    assert said["Certs"] == listed
    assert [(each["ProxyServiceName"], each["CertsDir"]) for each in listed] == [
        ("a.pem", str(folder / "certs")),
        ("b.pem", str(folder / "certs")),
    ]
    assert listed[0]["CertContent"] == certificate_pem(first.certificate)
    for path in (f"{BASE}/certs", f"{BASE}/config", "/v1/certificates", "/v1/services"):
        assert "PRIVATE KEY" not in ask(proxy, path).text

    refused = put_certificate(proxy, "a.pem", weak.pem)
    assert (refused.status_code, refused.json()["Status"]) == (400, "NOK")
    assert "a.pem is refused by HAProxy" in refused.json()["Message"]
    eventually(lambda: shown(tls, "shop.example") == first.serial, "the one before is back")

    proxy.send(signal.SIGTERM)
    (kept,) = (proxy.home / "state" / "certs").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    proxy.start()
    eventually(proxy.ready, "the proxy is ready again")
    assert shown(tls, "shop.example") == first.serial

    gone = ask(proxy, "/v1/certificates/a.pem", method="DELETE")
    assert (gone.status_code, gone.json()["message"]) == (200, "a.pem is removed")
    assert shown(tls, "shop.example") == other.serial
    assert ask(proxy, "/v1/certificates/a.pem", method="DELETE").status_code == 404
    assert ask(proxy, "/v1/certificates/b.pem", method="DELETE").status_code == 404
    assert ask(proxy, "/v1/certificates/..%2fx", method="DELETE").status_code == 404


NO_CERTIFICATES: tuple[tuple[str, str, int, str], ...] = (
    ("", "x", 400, "certName must be"),
    ("../a.pem", "x", 400, "certName must be"),
    ("a.pem", "", 400, "the body must be the certificate and its key"),
    ("a.pem", "hello", 400, "the body holds no certificate in PEM form"),
    ("a.pem", fixed_certificate("a.example").partition("-----BEGIN PRIVATE")[0], 400, "holds no private key"),
    ("a.ocsp", fixed_certificate("a.example"), 400, "must not end in"),
    ("a.pem", "x" * 70_000, 413, "larger than 64 KiB"),
)


def test_what_is_no_certificate_is_refused(proxy: Proxy) -> None:
    """With a text that says what is wrong; GET is not allowed."""
    for name, body, status, words in NO_CERTIFICATES:
        answer = put_certificate(proxy, name, body)
        assert (answer.status_code, answer.json()["Status"]) == (status, "NOK"), name
        assert words in answer.json()["Message"]
    own = put_certificate(proxy, "a.pem", "hello", "/v1/certificates/a.pem")
    assert (own.status_code, own.json()["message"]) == (400, "the body holds no certificate in PEM form")
    assert ask(proxy, f"{BASE}/cert", certName="a.pem").status_code == 405
    assert ask(proxy, f"{BASE}/certs").json() == []
    for method in ("PUT", "DELETE"):
        assert ask(proxy, "/v1/certificates/a.pem", token="wrong", method=method).status_code == 403


def test_without_a_token_the_answer_says_how_to_enable_it(make_proxy: MakeProxy, newest: Path, folder: Path) -> None:
    """And with API_WRITES=open nobody is asked."""
    (folder / "stack.yml").write_text(stack({}), encoding="utf-8")
    closed = make_proxy(newest, "--stack-file", str(folder / "stack.yml"))
    opened = make_proxy(newest, "--stack-file", str(folder / "stack.yml"), API_WRITES="open")
    eventually(lambda: closed.ready() and opened.ready(), "the proxies are ready")
    parameters = {"serviceName": "x", "servicePath": "/x", "port": "80", "outboundHostname": "127.0.0.1"}

    refused = ask(closed, f"{BASE}/reconfigure", token=None, **parameters)
    assert refused.status_code == 403
    assert "dfp_api_token" in refused.json()["Message"]
    assert ask(opened, f"{BASE}/reconfigure", token=None, **parameters).status_code == 200
