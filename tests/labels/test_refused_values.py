"""What labels refuse: always with the label's key, its value unless that may be secret, and what is allowed instead."""

import pytest
from builders import read

from models.service import TABLE

PLAIN = {"servicePath": "/demo", "port": "8080"}
PORT = "a port number from 1 to 65535"
PATH = "a path that begins with '/', in the characters that URLs allow (others as %XX)"
DOMAIN = "a domain (shop.example.com), or an ending after one leading '*' (*.example.com, *example.com)"
NAME = "letters, digits, '_', '.' and '-', beginning with a letter or digit"
HOST = "a host name or an IP address"
FLAG = "true or false (also 1, t, 0, f)"
REWRITE = "search,replace pairs divided by ':'"

MARKUP = {
    "a line break": "\n",
    "a carriage return": "\r",
    "a NUL": "\0",
    "a line separator": "\u2028",
    "a quote": '"',
    "an apostrophe": "'",
    "a backtick": "`",
    "an expression": "%[env(HOME)]",
    "a template": "{{",
    "the end of a template": "}}",
    "a template statement": "{%",
}


@pytest.mark.parametrize(
    ("label", "value", "complaint", "allowed"),
    [
        pytest.param("port", "http", "is not a whole number", PORT, id="port in letters"),
        pytest.param("port", "0", "is not allowed", PORT, id="port 0"),
        pytest.param("port", "65536", "is not allowed", PORT, id="port too large"),
        pytest.param("port", "-1", "is not a whole number", PORT, id="negative port"),
        pytest.param("port", "80.0", "is not a whole number", PORT, id="fractional port"),
        pytest.param("port", "8_0", "is not a whole number", PORT, id="port with an underscore"),
        pytest.param("port", "\u0668\u0660", "is not a whole number", PORT, id="port in other digits"),
        pytest.param("port", " 80", "is not a whole number", PORT, id="port with a blank"),
        pytest.param("srcPort", "x", "is not a whole number", PORT, id="srcPort in letters"),
        pytest.param("servicePath", "demo", "is not the beginning of a URL path", PATH, id="path without slash"),
        pytest.param("servicePath", "/a b", "is not the beginning of a URL path", PATH, id="path with a blank"),
        pytest.param("servicePath", "/a#b", "is not the beginning of a URL path", PATH, id="path with a fragment"),
        pytest.param("servicePath", "/a?b", "is not the beginning of a URL path", PATH, id="path with a query"),
        pytest.param("servicePath", "/a|b", "is not the beginning of a URL path", PATH, id="path with a bar"),
        pytest.param("servicePath", "/%zz", "is not the beginning of a URL path", PATH, id="path with a broken escape"),
        pytest.param("servicePath", "/é", "is not the beginning of a URL path", PATH, id="path beyond ASCII"),
        pytest.param("servicePath", "/" + "a" * 1024, "is too long", PATH, id="path too long"),
        pytest.param("serviceDomain", "a b.com", "is not a domain name", DOMAIN, id="domain with a blank"),
        pytest.param("serviceDomain", "a.*.com", "is not a domain name", DOMAIN, id="wildcard inside"),
        pytest.param("serviceDomain", "**.com", "is not a domain name", DOMAIN, id="two wildcards"),
        pytest.param("serviceDomain", "http://a.com", "is not a domain name", DOMAIN, id="URL as domain"),
        pytest.param("serviceDomain", "a.com/x", "is not a domain name", DOMAIN, id="domain with a path"),
        pytest.param("serviceDomain", "a|b", "is not a domain name", DOMAIN, id="domain with a bar"),
        pytest.param("serviceDomain", "a#b", "is not a domain name", DOMAIN, id="domain with a number sign"),
        pytest.param("serviceDomain", "bücher.de", "is not a domain name", DOMAIN, id="domain beyond ASCII"),
        pytest.param("serviceDomain", "*.", "is not a domain name", DOMAIN, id="wildcard of nothing"),
        pytest.param("serviceDomain", "a" * 254, "is too long", DOMAIN, id="domain too long"),
        pytest.param("reqMode", "udp", "is not allowed", "http, tcp or sni", id="unknown mode"),
        pytest.param("reqMode", "TCP", "is not allowed", "http, tcp or sni", id="mode in capitals"),
        pytest.param("outboundHostname", "a/b", "is neither a host name nor an address", HOST, id="host with a path"),
        pytest.param("outboundHostname", "host:80", "is neither a host name nor an", HOST, id="host with a port"),
        pytest.param("outboundHostname", "cafe:80", "is neither a host name nor an", HOST, id="host like hexadecimal"),
        pytest.param("aclName", "a b", "is not a name", NAME, id="name with a blank"),
        pytest.param("aclName", "-a", "is not a name", NAME, id="name that begins like an option"),
        pytest.param("aclName", "a" * 129, "is too long", NAME, id="name too long"),
        pytest.param("usersSecret", "../shadow", "is not a name", NAME, id="secret in another folder"),
        pytest.param("usersPassEncrypted", "yes", "is neither true nor false", FLAG, id="no flag"),
        pytest.param("distribute", "yes", "is neither true nor false", FLAG, id="no flag either"),
        pytest.param("allowedSrc", "10.0.0.0/33", "is neither an address nor", "a list, each item an IP", id="network"),
        pytest.param("deniedSrc", "host.x.com", "is neither an address nor", "a list, each item an IP", id="name"),
        pytest.param("allowedMethods", "GET POST", "is not an HTTP method", "a list, each item an HTTP", id="methods"),
        pytest.param("httpsOnly", "always", "is neither true nor false", FLAG, id="HTTPS flag"),
        pytest.param("httpsRedirectCode", "404", "is not allowed", "one of 301", id="redirect code"),
        pytest.param("setReqHeader", "X-Name", "is not of the form 'Name value'", "a list, each", id="header alone"),
        pytest.param("setReqHeader", "X: y", "is not of the form 'Name value'", "a list, each", id="header with colon"),
        pytest.param("addResHeader", "X %[env(HOME)]", "contains '%['", "a list, each", id="expression not of the few"),
        pytest.param("delReqHeader", "X Y", "is not the name of a header", "a list, each", id="header name"),
        pytest.param("timeoutServer", "20s", "is not a whole number", "whole seconds", id="seconds with a unit"),
        pytest.param("timeoutTunnel", "0", "is not allowed", "whole seconds", id="no seconds"),
        pytest.param(
            "connectionMode", "tunnel", "is not allowed", "http-keep-alive, ", id="unknown mode of connection"
        ),
        pytest.param("compressionAlgo", "gzip br", "is not allowed", "identity, gzip", id="unknown algorithm"),
        pytest.param("compressionType", "text/html;", "is not a media type", "media types", id="no media type"),
        pytest.param("reqPathSearchReplace", "/a", "is not of the form search,replace", REWRITE, id="search alone"),
        pytest.param("reqPathSearchReplace", ",/b", "is not of the form search,replace", REWRITE, id="no search"),
        pytest.param("reqPathSearchReplace", "/a,/b,g,x", "is not of the form", REWRITE, id="four parts"),
        pytest.param("reqPathSearchReplace", "/a,/b,x", "has flags other than g and i", REWRITE, id="unknown flag"),
        pytest.param("reqPathSearchReplace", "/(a,/b", "lacks the closing ')'", REWRITE, id="open group"),
        pytest.param("reqPathSearchReplace", "/[a,/b", "lacks the closing ']'", REWRITE, id="open class"),
        pytest.param("reqPathSearchReplace", "*a,/b", "has a search that is no regular", REWRITE, id="no expression"),
        pytest.param("reqPathSearchReplace", "/a,/b:", "is not of the form", REWRITE, id="empty second pair"),
        pytest.param(
            "reqPathSearchReplace", "/a,/b c", "has a replacement with a blank", REWRITE, id="blank in a path"
        ),
        pytest.param("reqPathSearchReplace", "/a\u200b,/b", "contains", REWRITE, id="an invisible character"),
        pytest.param("reqPathSearchReplace", "/a\u00a0b,/b", "contains", REWRITE, id="a no-break space"),
        pytest.param("reqPathSearchReplace", "/a,/b\u009b", "contains", REWRITE, id="a terminal's control character"),
    ],
)
def test_refused_value(label: str, value: str, complaint: str, allowed: str) -> None:
    """The message holds everything that is needed to repair the label."""
    reading = read(PLAIN | {label: value})
    assert reading.service is None
    (problem,) = reading.problems
    assert problem.label == f"com.df.{label}"
    shown = f"'{value[:8] if value.isprintable() else ''}" if TABLE[label].label.is_shown else "(hidden) "
    assert problem.text.startswith(f"com.df.{label}={shown}")
    assert complaint in problem.text
    listed = "a list, each item " if label in ("servicePath", "serviceDomain") else ""
    assert f"; allowed: {listed}{allowed}" in problem.text
    assert problem.text.isprintable()


@pytest.mark.parametrize(
    "label",
    [
        "servicePath",
        "serviceDomain",
        "port",
        "reqMode",
        "srcPort",
        "outboundHostname",
        "aclName",
        "users",
        "usersSecret",
        "usersPassEncrypted",
        "reqPathSearchReplace",
        "distribute",
    ],
)
@pytest.mark.parametrize("markup", MARKUP.values(), ids=MARKUP.keys())
def test_markup_is_refused_in_every_label(label: str, markup: str) -> None:
    """Nothing that means something to a configuration file or a template is a value of any label."""
    reading = read(PLAIN | {label: f"/a{markup},/b"})
    assert reading.service is None
    assert {problem.label for problem in reading.problems} == {f"com.df.{label}"}
    assert all(problem.text.isprintable() for problem in reading.problems)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("ann:hunter2\n", id="line break"),
        pytest.param('ann:hunter2"', id="quote"),
        pytest.param("ann:hunter2,:hunter2", id="no name"),
        pytest.param("ann:hunter2,b c:hunter2", id="blank in the name"),
        pytest.param("ann:hunter2\u200b", id="invisible character"),
        pytest.param("ann:hunter2%[env(X)]", id="expression"),
    ],
)
def test_passwords_are_never_shown(value: str) -> None:
    """A broken list of users is named by its label only."""
    (problem,) = read(PLAIN | {"users": value}).problems
    assert "hunter2" not in problem.text
    assert problem.text.startswith("com.df.users=(hidden) ")
    assert "; allowed: name:password pairs" in problem.text
    assert problem.restricts


@pytest.mark.parametrize("label", ["users", "allowedSrc", "deniedSrc", "allowedMethods", "deniedMethods"])
@pytest.mark.parametrize(
    "value", [pytest.param(",", id="a comma"), pytest.param(" ", id="a blank"), pytest.param("", id="empty")]
)
def test_a_restriction_that_says_nothing_is_refused(label: str, value: str) -> None:
    """Whoever asks for users or addresses does not get a service that is open to all."""
    (problem,) = read(PLAIN | {label: value}).problems
    assert (problem.label, problem.restricts) == (f"com.df.{label}", True)


def test_long_values_are_shown_in_part() -> None:
    """A message stays one readable line."""
    (problem,) = read(PLAIN | {"port": "9" * 5000}).problems
    assert "9" * 79 + "…" in problem.text
    assert "9" * 80 not in problem.text


def test_all_problems_are_reported_at_once() -> None:
    """Nobody has to deploy once per mistake."""
    reading = read({"servicePath": "x", "aclName": "z z", "bogus": "1", "port.1": "http", "port.2": "70000"})
    labels = {problem.label for problem in reading.problems}
    assert labels == {"com.df.servicePath", "com.df.aclName", "com.df.bogus", "com.df.port.1", "com.df.port.2"}


def test_a_bare_value_that_no_destination_inherits_is_still_judged() -> None:
    """A value that cannot be read is reported, never dropped."""
    reading = read({"port": "http", "servicePath.1": "/a", "port.1": "80"})
    assert [problem.label for problem in reading.problems] == ["com.df.port"]


@pytest.mark.parametrize(
    ("labels", "missing"),
    [
        pytest.param({}, {"com.df.port", "com.df.servicePath"}, id="nothing"),
        pytest.param({"servicePath": "/a"}, {"com.df.port"}, id="no port"),
        pytest.param({"servicePath": "/a", "port": ""}, {"com.df.port"}, id="an empty port"),
        pytest.param({"port": "80"}, {"com.df.servicePath"}, id="neither path nor domain"),
        pytest.param({"port": "80", "servicePath": ","}, {"com.df.servicePath"}, id="a list of nothing"),
        pytest.param({"reqMode": "tcp", "port": "80"}, {"com.df.srcPort"}, id="tcp without srcPort"),
        pytest.param({"reqMode": "tcp", "srcPort": "80"}, {"com.df.port"}, id="tcp without port"),
        pytest.param({"servicePath.1": "/a", "port.2": "80"}, {"com.df.port.1", "com.df.servicePath.2"}, id="indexed"),
    ],
)
def test_what_a_destination_lacks_is_named(labels: dict[str, str], missing: set[str]) -> None:
    """The message says which label to add, and gives an example."""
    reading = read(labels)
    assert {problem.label for problem in reading.problems} == missing
    for problem in reading.problems:
        assert problem.text.startswith(f"{problem.label} is missing: set it")
        assert " example " in problem.text


@pytest.mark.parametrize("label", ["users", "usersSecret", "usersPassEncrypted"])
def test_users_cannot_be_asked_for_over_tcp(label: str) -> None:
    """A TCP port cannot ask for a password, so the label is not quietly ignored."""
    value = "true" if label == "usersPassEncrypted" else "ann"
    reading = read({"reqMode": "tcp", "srcPort": "6379", "port": "6379", label: value})
    (problem,) = reading.problems
    assert problem.text.startswith(f"com.df.{label} cannot be honoured with reqMode=tcp: it is about HTTP requests")
    assert reading.restricts
