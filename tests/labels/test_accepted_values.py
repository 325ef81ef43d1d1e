"""What each label accepts, and what becomes of it."""

from typing import Any

import pytest
from builders import read

from models.labels.authentication import User
from models.labels.headers import HeaderValue
from models.labels.rewriting import PathRewrite
from models.service import Destination

PLAIN = {"servicePath": "/demo", "port": "8080"}


def the_destination(labels: dict[str, str], **more: Any) -> Destination:  # noqa: ANN401 - options of reading
    """Read labels that must be valid and declare one destination."""
    reading = read(labels, **more)
    assert reading.problems == ()
    assert reading.service is not None
    (destination,) = reading.service.destinations
    return destination


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        pytest.param("/demo", ("/demo",), id="one"),
        pytest.param("/demo/hello,/demo/person", ("/demo/hello", "/demo/person"), id="a list"),
        pytest.param(" /a , /b ", ("/a", "/b"), id="blanks around items are ignored"),
        pytest.param("/a,,/b,", ("/a", "/b"), id="empty items are ignored"),
        pytest.param("/", ("/",), id="everything"),
        pytest.param("/a/(b)/c;v=1/~u/@x:y/$z!&*+=._-", ("/a/(b)/c;v=1/~u/@x:y/$z!&*+=._-",), id="all that URLs allow"),
        pytest.param("/%C3%A9", ("/%C3%A9",), id="percent-encoded"),
    ],
)
def test_service_path(value: str, paths: tuple[str, ...]) -> None:
    """A path is the beginning of a URL path; several are divided by commas."""
    assert the_destination(PLAIN | {"servicePath": value}).matching.service_path == paths


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        pytest.param("my-domain.com", ("my-domain.com",), id="one"),
        pytest.param("a.com,b.com", ("a.com", "b.com"), id="a list"),
        pytest.param("*.example.com", ("*.example.com",), id="subdomains"),
        pytest.param("*example.com", ("*example.com",), id="any ending"),
        pytest.param("*", ("*",), id="any domain"),
        pytest.param("Shop.Example.COM", ("shop.example.com",), id="letter case is ignored"),
        pytest.param("shop.example.com:8080", ("shop.example.com",), id="a port is ignored"),
        pytest.param("shop.example.com.", ("shop.example.com",), id="a trailing dot is ignored"),
        pytest.param("my_service", ("my_service",), id="underscore"),
        pytest.param("10.0.0.1", ("10.0.0.1",), id="an address"),
    ],
)
def test_service_domain(value: str, domains: tuple[str, ...]) -> None:
    """A domain is kept as requests are compared: lower case, no port, no trailing dot."""
    assert the_destination(PLAIN | {"serviceDomain": value}).matching.service_domain == domains


def test_domain_alone_means_every_path() -> None:
    """A service with a domain and no path answers for the whole domain."""
    assert the_destination({"serviceDomain": "a.com", "port": "80"}).matching.service_path == ("/",)


@pytest.mark.parametrize("value", [pytest.param("1", id="least"), pytest.param("65535", id="most")])
def test_port(value: str) -> None:
    """Every TCP port can be a target."""
    assert the_destination(PLAIN | {"port": value}).target.port == int(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("machine-123.internal.ecme.com", id="name"),
        pytest.param("192.0.2.7", id="IPv4"),
        pytest.param("2001:db8::7", id="IPv6"),
    ],
)
def test_outbound_hostname(value: str) -> None:
    """Requests may go to a name or an address outside the Swarm."""
    assert the_destination(PLAIN | {"outboundHostname": value}).target.outbound_hostname == value


@pytest.mark.parametrize(
    ("value", "rewrites"),
    [
        pytest.param("/something/,/demo/", (PathRewrite("/something/", "/demo/"),), id="text"),
        pytest.param("/something/.*,/demo/hello", (PathRewrite("/something/.*", "/demo/hello"),), id="expression"),
        pytest.param("/a(b|c)d,/x", (PathRewrite("/a(b|c)d", "/x"),), id="parentheses"),
        pytest.param("/(.*)/x,/y/\\1", (PathRewrite("/(.*)/x", "/y/\\1"),), id="a group taken over"),
        pytest.param("/a{1,3}/,/b/", (PathRewrite("/a{1,3}/", "/b/"),), id="comma inside braces"),
        pytest.param("/[,:]/,/b/", (PathRewrite("/[,:]/", "/b/"),), id="comma and colon inside a class"),
        pytest.param("/[(]x,/b", (PathRewrite("/[(]x", "/b"),), id="parenthesis inside a class"),
        pytest.param("/(a,b),/c", (PathRewrite("/(a,b)", "/c"),), id="comma inside a group"),
        pytest.param("^/a$,/b", (PathRewrite("^/a$", "/b"),), id="anchors"),
        pytest.param(r"/a\,b,/c", (PathRewrite("/a,b", "/c"),), id="escaped comma"),
        pytest.param(r"/a\:b,/c", (PathRewrite("/a:b", "/c"),), id="escaped colon"),
        pytest.param(r"/a\.b,/c", (PathRewrite(r"/a\.b", "/c"),), id="other escapes stay"),
        pytest.param(r"/a\(b,/c", (PathRewrite(r"/a\(b", "/c"),), id="escaped parenthesis opens nothing"),
        pytest.param("/a,/b,g", (PathRewrite("/a", "/b", "g"),), id="all matches"),
        pytest.param("/a,/b,i", (PathRewrite("/a", "/b", "i"),), id="any letter case"),
        pytest.param("/a,", (PathRewrite("/a", ""),), id="removal"),
        pytest.param("/a,/b:/c,/d", (PathRewrite("/a", "/b"), PathRewrite("/c", "/d")), id="two pairs"),
    ],
)
def test_rewriting(value: str, rewrites: tuple[PathRewrite, ...]) -> None:
    """Pairs are divided by colons and their parts by commas, where these are not part of the expression."""
    assert the_destination(PLAIN | {"reqPathSearchReplace": value}).rewriting.req_path_search_replace == rewrites


@pytest.mark.parametrize(
    ("value", "users"),
    [
        pytest.param("ann:secret", (User("ann", "secret"),), id="one"),
        pytest.param("ann:a,bob:b", (User("ann", "a"), User("bob", "b")), id="two"),
        pytest.param("ann:a:b", (User("ann", "a:b"),), id="colon in the password"),
        pytest.param("ann", (User("ann", None),), id="no password"),
        pytest.param("ann:", (User("ann", None),), id="an empty password is none"),
        pytest.param("ann:%#$ \\", (User("ann", "%#$ \\"),), id="signs that mean something to HAProxy"),
        pytest.param("ann:$6$ab$cd.ef/", (User("ann", "$6$ab$cd.ef/"),), id="a hash"),
    ],
)
def test_users(value: str, users: tuple[User, ...]) -> None:
    """Users are pairs of name and password; the password may be left to a secret."""
    assert the_destination(PLAIN | {"users": value}).authentication.users == users


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        pytest.param("true", True, id="true"),
        pytest.param("1", True, id="1"),
        pytest.param("T", True, id="T"),
        pytest.param("TRUE", True, id="TRUE"),
        pytest.param("false", False, id="false"),
        pytest.param("0", False, id="0"),
        pytest.param("f", False, id="f"),
    ],
)
def test_flags(value: str, flag: bool) -> None:  # noqa: FBT001 - a column of the table
    """Flags take the words that Go's strconv.ParseBool takes, as DFP does."""
    reading = read(PLAIN | {"usersPassEncrypted": value, "distribute": value})
    assert reading.service is not None
    assert reading.service.destinations[0].authentication.users_pass_encrypted is flag
    assert reading.service.identity.distribute is flag


@pytest.mark.parametrize(
    ("label", "value", "family", "field", "read_as"),
    [
        pytest.param("allowedSrc", "10.0.0.0/8,192.0.2.7", "access", "allowed_src", ("10.0.0.0/8", "192.0.2.7/32")),
        pytest.param("deniedSrc", "2001:db8::/32", "access", "denied_src", ("2001:db8::/32",), id="IPv6 network"),
        pytest.param("allowedSrc", "10.0.0.5/8", "access", "allowed_src", ("10.0.0.0/8",), id="address in a network"),
        pytest.param("allowedMethods", "get,HEAD", "access", "allowed_methods", ("GET", "HEAD"), id="methods"),
        pytest.param("denyHttp", "true", "access", "deny_http", True, id="HTTPS asked for"),
        pytest.param("httpsOnly", "true", "redirects", "https_only", True, id="redirect to HTTPS"),
        pytest.param("httpsRedirectCode", "308", "redirects", "https_redirect_code", "308", id="code of the redirect"),
        pytest.param("timeoutServer", "60", "connection", "timeout_server", 60, id="seconds"),
        pytest.param("connectionMode", "httpclose", "connection", "connection_mode", "httpclose", id="connection"),
        pytest.param("compressionAlgo", "gzip deflate", "compression", "compression_algo", ("gzip", "deflate")),
        pytest.param("compressionType", "text/html text/*", "compression", "compression_type", ("text/html", "text/*")),
        pytest.param(
            "delResHeader", "Server,X-A", "headers", "del_res_header", ("Server", "X-A"), id="names of headers"
        ),
        pytest.param(
            "setReqHeader",
            "X-Proto https if { ssl_fc },X-Port port %[dst_port] (100%)",
            "headers",
            "set_req_header",
            (
                HeaderValue("X-Proto", ("https",), "if { ssl_fc }"),
                HeaderValue("X-Port", ("port ", "dst_port", " (100%)")),
            ),
            id="headers with expression and condition",
        ),
    ],
)
def test_labels_of_one_field(label: str, value: str, family: str, field: str, read_as: object) -> None:
    """Each value is kept in the form it is used in."""
    assert getattr(getattr(the_destination(PLAIN | {label: value}), family), field) == read_as


def test_users_secret() -> None:
    """A secret is named without its prefix."""
    assert the_destination(PLAIN | {"usersSecret": "monitoring"}).authentication.users_secret == "monitoring"


def test_acl_name_replaces_the_service_name_in_haproxy() -> None:
    """Backends are named by ``aclName`` where there is one."""
    service = read(PLAIN | {"aclName": "05-go-demo"}).service
    assert service is not None
    assert service.ways(service.destinations[0])[0].backend == "05-go-demo-be8080_0"


def test_backend_is_named_as_dfp_names_it() -> None:
    """Dashboards and alerts on backend names carry over."""
    service = read({"servicePath.1": "/a", "port.1": "80"}).service
    assert service is not None
    assert service.ways(service.destinations[0])[0].backend == "web-be80_1"


def test_tcp() -> None:
    """A TCP destination needs neither path nor domain."""
    destination = the_destination({"reqMode": "tcp", "srcPort": "6379", "port": "6379"})
    assert (destination.matching.req_mode, destination.matching.src_port) == ("tcp", 6379)
    assert destination.matching.service_path == ()


def test_separator_is_a_setting() -> None:
    """With another separator a comma is an ordinary character of a path."""
    assert the_destination(PLAIN | {"servicePath": "/a,b|/c"}, separator="|").matching.service_path == ("/a,b", "/c")
