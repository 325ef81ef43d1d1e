"""DFP's paths on the proxy: the contract that its users' scripts rely on, less what leaked secrets."""

import signal
import stat
from pathlib import Path

import httpx
import pytest
from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, stack

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


def test_certificates_are_put_by_name(proxy: Proxy) -> None:
    """400 without a name or body, or with a name that leads elsewhere; GET is not allowed."""
    pem = "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\nx\n"
    for name, body in (("", pem), ("a.pem", ""), ("../a.pem", pem), ("a.pem", "hello")):
        headers = {"X-Api-Token": TOKEN}
        url = f"http://127.0.0.1:{proxy.api}{BASE}/cert"
        assert httpx.put(url, params={"certName": name}, content=body, headers=headers).status_code == 400
    answer = httpx.put(url, params={"certName": "a.pem"}, content=pem, headers=headers)
    assert (answer.status_code, answer.json()["Status"]) == (200, "OK")
    assert ask(proxy, f"{BASE}/cert", certName="a.pem").status_code == 405


def test_without_a_token_the_answer_says_how_to_enable_it(make_proxy: MakeProxy, newest: Path, folder: Path) -> None:
    """And with API_WRITES=open nobody is asked."""
    (folder / "stack.yml").write_text(stack({}), encoding="utf-8")
    closed = make_proxy(newest, "--stack-file", str(folder / "stack.yml"))
    opened = make_proxy(newest, "--stack-file", str(folder / "stack.yml"), API_WRITES="open")
    eventually(opened.ready, "the proxy is ready")
    parameters = {"serviceName": "x", "servicePath": "/x", "port": "80", "outboundHostname": "127.0.0.1"}

    refused = ask(closed, f"{BASE}/reconfigure", token=None, **parameters)
    assert refused.status_code == 403
    assert "dfp_api_token" in refused.json()["Message"]
    assert ask(opened, f"{BASE}/reconfigure", token=None, **parameters).status_code == 200
