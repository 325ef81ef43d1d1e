"""What the labels of headers do to requests and responses."""

from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge, running

STRANGE = [
    pytest.param("100% sure", id="percent"),
    pytest.param("%%x", id="two percents"),
    pytest.param("%ci:%cp", id="log-format words"),
    pytest.param("a # b", id="number sign"),
    pytest.param(r"C:\dir\new", id="backslashes"),
    pytest.param("a  b", id="two spaces"),
    pytest.param("${HOME} $HOME", id="environment"),
    pytest.param("a;b=c; d", id="semicolon"),
    pytest.param("a]b}c", id="brackets"),
    pytest.param("grüße", id="beyond ASCII"),
    pytest.param("default-src 'self' https:; style-src \"x\" 'none'", id="quotes"),
]


async def test_add_req_header(binary: Path, folder: Path, origin: Origin) -> None:
    """A header is added beside those of the same name."""
    async with edge(binary, folder, behind(origin, {"addReqHeader": "X-Two second,X-Port %[dst_port]"})) as proxy:
        await proxy.ask("/web", "X-Two: first")
        assert origin.got()["x-two"] == ["first", "second"]
        assert origin.got()["x-port"] == ["80"]


async def test_set_req_header(binary: Path, folder: Path, origin: Origin) -> None:
    """A header is set in place of those of the same name."""
    async with edge(binary, folder, behind(origin, {"setReqHeader": "X-Two second"})) as proxy:
        await proxy.ask("/web", "X-Two: first", "X-Two: other")
        assert origin.got()["x-two"] == ["second"]


async def test_del_req_header(binary: Path, folder: Path, origin: Origin) -> None:
    """Headers are taken away, whatever the case of their letters."""
    async with edge(binary, folder, behind(origin, {"delReqHeader": "Cookie,X-Debug"})) as proxy:
        await proxy.ask("/web", "cookie: a=b", "X-DEBUG: 1", "X-Kept: 1")
        assert {"cookie", "x-debug", "x-kept"} & origin.got().keys() == {"x-kept"}


async def test_headers_without_labels(binary: Path, folder: Path, origin: Origin) -> None:
    """Without labels headers go through as they are, in both directions."""
    async with edge(binary, folder, behind(origin)) as proxy:
        answer = await proxy.ask("/web", "X-Two: first", "Cookie: a=b")
        assert (origin.got()["x-two"], origin.got()["cookie"]) == (["first"], ["a=b"])
        assert answer.headers["server"] == "origin"


async def test_response_headers(binary: Path, folder: Path) -> None:
    """The same three for responses."""
    labels = {
        "addResHeader": "X-Added two",
        "setResHeader": "X-Set new,Strict-Transport-Security max-age=31536000",
        "delResHeader": "server,X-Powered-By",
    }
    origin = Origin(answer_headers=("Server: origin", "X-Powered-By: x", "X-Added: one", "X-Set: old"))
    async with running(origin), edge(binary, folder, behind(origin, labels)) as proxy:
        headers = (await proxy.ask()).headers
    assert (headers["x-added"], headers["x-set"]) == ("one, two", "new")
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert not {"server", "x-powered-by"} & headers.keys()


@pytest.mark.parametrize("value", STRANGE)
async def test_literal_text_stays_as_it_is(binary: Path, folder: Path, origin: Origin, value: str) -> None:
    """Signs that mean something to HAProxy mean nothing in a value."""
    labels = {"setReqHeader": f"X-Text {value}", "setResHeader": f"X-Text {value}"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        answer = await proxy.ask()
    sent = value.encode().decode("latin-1")
    assert origin.got()["x-text"] == [sent]
    assert answer.headers["x-text"] == sent


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("%[dst_port]", "80", id="dst_port"),
        pytest.param("%[src]", "192.0.2.1", id="src"),
        pytest.param("%[src_port]", "40000", id="src_port"),
        pytest.param("%[path]", "/web/Path", id="path"),
        pytest.param("%[path,upper]", "/WEB/PATH", id="a converter"),
        pytest.param("%[url]", "/web/Path?q=1", id="url"),
        pytest.param("%[query]", "q=1", id="query"),
        pytest.param("%[method]", "GET", id="method"),
        pytest.param("%[ssl_fc]", "0", id="ssl_fc"),
        pytest.param("%[req.hdr(Host)]", "web.test", id="req.hdr"),
        pytest.param("%[hdr(X-In),lower]", "in", id="hdr"),
        pytest.param("%[fe_name]", "services", id="fe_name"),
        pytest.param("[%[src]%]%[method]", "[192.0.2.1%]GET", id="between literal text"),
    ],
)
async def test_expressions(binary: Path, folder: Path, origin: Origin, expression: str, value: str) -> None:
    """An expression stands for what it says about the request."""
    async with edge(binary, folder, behind(origin, {"setReqHeader": f"X-Out {expression}"})) as proxy:
        await proxy.ask("/web/Path?q=1", "X-In: IN")
    assert origin.got()["x-out"] == [value]


async def test_expressions_that_differ_each_time(binary: Path, folder: Path, origin: Origin) -> None:
    """Every expression that is allowed is one that HAProxy takes, in both directions."""
    takes = ("uuid()", "date()", "ssl_fc_protocol", "ssl_fc_sni", "ssl_fc_cipher", "ssl_c_verify", "ssl_c_used")
    takes += ("ssl_c_s_dn", "ssl_c_s_dn(cn)", "be_name", "dst", "hostname", "env(HOSTNAME)")
    labels = {
        "setReqHeader": ",".join(f"X-R{number} x%[{take}]" for number, take in enumerate(takes)),
        "setResHeader": ",".join(f"X-R{number} x%[{take}]" for number, take in enumerate((*takes, "res.hdr(Server)"))),
    }
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        answer = await proxy.ask(tls=True)
    assert len(origin.got()["x-r0"][0]) == 37
    assert origin.got()["x-r2"][0].startswith("xTLSv1")
    assert origin.got()["x-r9"][0].startswith("xweb-be")
    assert answer.headers[f"x-r{len(takes)}"] == "xorigin"


@pytest.mark.parametrize(
    ("condition", "with_header", "without"),
    [
        pytest.param("if { hdr(X-In) yes }", ["value"], None, id="if"),
        pytest.param("if { req.hdr(X-In) -i YES no }", ["value"], None, id="case and alternatives"),
        pytest.param("unless { hdr(X-In) yes }", None, ["value"], id="unless"),
        pytest.param("if !{ hdr(X-In) yes }", None, ["value"], id="not"),
        pytest.param("if { ssl_fc }", None, None, id="ssl_fc"),
        pytest.param("if { method GET }", ["value"], ["value"], id="method"),
    ],
)
async def test_conditions(  # noqa: PLR0917 - fixtures and columns
    binary: Path, folder: Path, origin: Origin, condition: str, with_header: list[str] | None, without: list[str] | None
) -> None:
    """A header can depend on the request."""
    async with edge(binary, folder, behind(origin, {"setReqHeader": f"X-Out value {condition}"})) as proxy:
        await proxy.ask("/web", "X-In: yes")
        assert origin.got().get("x-out") == with_header
        await proxy.ask("/web")
        assert origin.got().get("x-out") == without


async def test_condition_of_a_response(binary: Path, folder: Path, origin: Origin) -> None:
    """Responses know whether the client came by TLS."""
    labels = {"setResHeader": "Strict-Transport-Security max-age=5; includeSubDomains if { ssl_fc }"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert "strict-transport-security" not in (await proxy.ask()).headers
        assert (await proxy.ask(tls=True)).headers["strict-transport-security"] == "max-age=5; includeSubDomains"
