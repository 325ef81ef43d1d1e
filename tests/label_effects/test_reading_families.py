"""Which values the labels of redirects, access, headers, connection and compression take, and which they refuse."""

from typing import Any

import pytest
from builders import read
from hypothesis import given
from hypothesis import strategies as st
from label_effects.reading import destination_of, problem_of

from models.labels.headers import HeaderValue
from models.service import TABLE


@pytest.mark.parametrize(
    ("label", "value", "meaning"),
    [
        pytest.param("httpsOnly", "1", True, id="flag"),
        pytest.param("httpsRedirectCode", "308", "308", id="code"),
        pytest.param("redirectWhenHttpProto", "T", True, id="when http"),
        pytest.param("redirectUnlessHttpsProto", "true", True, id="unless https"),
        pytest.param("denyHttp", "f", False, id="false"),
        pytest.param("allowedSrc", "10.1.2.3/8, ::1", ("10.0.0.0/8", "::1/128"), id="networks are made tidy"),
        pytest.param("deniedSrc", "192.0.2.7", ("192.0.2.7/32",), id="an address is a small network"),
        pytest.param("allowedMethods", "get,Head", ("GET", "HEAD"), id="methods are in capitals"),
        pytest.param("deniedMethods", "M-SEARCH", ("M-SEARCH",), id="a method with a hyphen"),
        pytest.param("timeoutServer", "604800", 604800, id="a week"),
        pytest.param("timeoutTunnel", "1", 1, id="a second"),
        pytest.param("connectionMode", "http-tunnel", "http-keep-alive", id="http-tunnel"),
        pytest.param("connectionMode", "forceclose", "httpclose", id="forceclose"),
        pytest.param("connectionMode", "http-server-close", "http-server-close", id="http-server-close"),
        pytest.param("compressionAlgo", "gzip  deflate", ("gzip", "deflate"), id="algorithms"),
        pytest.param("compressionType", "text/html text/*", ("text/html", "text/*"), id="types"),
        pytest.param("delReqHeader", "A, b ,", ("A", "b"), id="names"),
        pytest.param("addReqHeader", "X-A b", (HeaderValue("X-A", ("b",)),), id="a header"),
        pytest.param(
            "setResHeader", "X-A 1,X-B 2", (HeaderValue("X-A", ("1",)), HeaderValue("X-B", ("2",))), id="two headers"
        ),
        pytest.param("setReqHeader", "X-A a%[src]b", (HeaderValue("X-A", ("a", "src", "b")),), id="an expression"),
        pytest.param(
            "setReqHeader", "X-A %[path,lower,upper]", (HeaderValue("X-A", ("", "path,lower,upper", "")),), id="comma"
        ),
        pytest.param(
            "addResHeader", "X-A b if { ssl_fc }", (HeaderValue("X-A", ("b",), "if { ssl_fc }"),), id="a condition"
        ),
        pytest.param("addResHeader", "X-A a 'b'", (HeaderValue("X-A", ("a 'b'",)),), id="quotes within"),
        pytest.param("addResHeader", 'X-A "a b"', (HeaderValue("X-A", ("a b",)),), id="quotes around, for DFP's sake"),
        pytest.param("addResHeader", r"X-A a\ b", (HeaderValue("X-A", ("a b",)),), id="escaped blank, likewise"),
        pytest.param(
            "addResHeader",
            'X-A "a b" if { ssl_fc }',
            (HeaderValue("X-A", ("a b",), "if { ssl_fc }"),),
            id="quotes around, and a condition",
        ),
        pytest.param("addResHeader", "X-A b if c", (HeaderValue("X-A", ("b if c",)),), id="no condition, but text"),
    ],
)
def test_accepted(label: str, value: str, meaning: Any) -> None:  # noqa: ANN401 - whatever the label means
    """Each value means this."""
    row = TABLE[label]
    assert getattr(getattr(destination_of({label: value}), row.family), row.field) == meaning


@pytest.mark.parametrize(
    ("label", "value", "complaint"),
    [
        pytest.param("httpsOnly", "yes", "is neither true nor false", id="flag"),
        pytest.param("httpsRedirectCode", "304", "one of 301, 302, 303, 307, 308", id="code"),
        pytest.param("allowedSrc", "10.0.0.0/33", "is neither an address nor a network", id="prefix"),
        pytest.param("deniedSrc", "example.com", "is neither an address nor a network", id="name"),
        pytest.param("allowedMethods", "GET POST", "is not an HTTP method", id="blank"),
        pytest.param("timeoutServer", "0", "whole seconds from 1", id="no time"),
        pytest.param("timeoutServer", "5s", "is not a whole number", id="unit"),
        pytest.param("timeoutTunnel", "604801", "a week", id="too long"),
        pytest.param("connectionMode", "tunnel", "http-keep-alive, http-server-close or httpclose", id="mode"),
        pytest.param("compressionAlgo", "brotli", "gzip, deflate", id="algorithm"),
        pytest.param("compressionType", "text/html;q=1", "is not a media type", id="type"),
        pytest.param("delReqHeader", "X A", "is not the name of a header", id="name of a header"),
        pytest.param("addReqHeader", "X-A", "is not of the form 'Name value'", id="no value"),
        pytest.param("addReqHeader", "X: a", "is not of the form 'Name value'", id="colon"),
        pytest.param("setReqHeader", "X-A %[env(HOME)]", "'%['", id="environment"),
        pytest.param("setReqHeader", "X-A %[var(proc.x)]", "'%['", id="variable"),
        pytest.param("setReqHeader", "X-A %[src", "'%['", id="not closed"),
        pytest.param("setResHeader", "X-A %[src,map(/etc/passwd)]", "'%['", id="file"),
        pytest.param("setResHeader", "X-A {{x}}", "templates", id="template"),
        pytest.param("addResHeader", "X-A a\nb", "line break", id="line break"),
    ],
)
def test_refused(label: str, value: str, complaint: str) -> None:
    """Each value is refused with a message that says why, and what is allowed."""
    assert complaint in problem_of({label: value})


@pytest.mark.parametrize(
    "label", ["httpsOnly", "denyHttp", "allowedSrc", "deniedSrc", "allowedMethods", "deniedMethods"]
)
def test_a_broken_restriction_closes(label: str) -> None:
    """What narrows access and cannot be read must not be taken for nothing."""
    assert read({"servicePath": "/", "port": "80", label: "?"}).restricts


@given(
    st.lists(
        st.from_regex(r"[A-Za-z-]{1,8} [a-z0-9#%;=\\\\$]([a-z0-9 #%;=$]{0,8}[a-z0-9])?", fullmatch=True), max_size=4
    )
)
def test_literal_headers_are_kept_letter_by_letter(items: list[str]) -> None:
    """A list of headers is read back as it was written."""
    read_back = destination_of({"addReqHeader": ",".join(items)}).headers.add_req_header
    assert [f"{header.name} {header.parts[0]}" for header in read_back] == items
