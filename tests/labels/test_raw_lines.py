"""Which lines services may bring, and why not: nothing that reads, asks or changes more than their own requests."""

import re
from pathlib import Path

import pytest
from builders import read
from hypothesis import given
from hypothesis import strategies as st

from models.raw.expressions import PREDEFINED
from models.raw.profile_lines import GENERATED_ACLS, Mode, profile_lines
from models.raw.words import joined, split_lines, split_words

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("a  b\tc", ("a", "b", "c"), id="blanks"),
        pytest.param(
            r"a\ b 'c d' "
            r'"e f"',
            ("a b", "c d", "e f"),
            id="quoted",
        ),
        pytest.param(r"""x"y'z"w""", ("xy'zw",), id="quotes within"),
        pytest.param("a # b", ("a",), id="comment"),
        pytest.param("a#b", ("a",), id="comment within"),
        pytest.param(r"'a#b' \#c", ("a#b", "#c"), id="no comment"),
        pytest.param(r"\1 \\ \x41", (r"\1", "\\", "A"), id="escapes"),
        pytest.param(r"'\n' \n", (r"\n", "\n"), id="line breaks"),
        pytest.param("a '' b", ("a", "", "b"), id="empty"),
        pytest.param(r'"\$x" $x', ("$x", "$x"), id="dollar"),
        pytest.param("# all", (), id="nothing"),
    ],
)
def test_words_are_divided_as_haproxy_divides_them(line: str, words: tuple[str, ...]) -> None:
    """And written again, they are the same words."""
    assert split_words(line) == words
    assert split_words(joined(words)) == words


@pytest.mark.parametrize(
    "line", ['"$HOME"', '"${HOME[*]}"', "'a", '"a', r"\x0", r"\x0a", r"\x7f", "a\vb", "\u2028", "a\u00a0b", "\ud800"]
)
def test_lines_that_mean_more_than_their_words_are_refused(line: str) -> None:
    """Variables of the environment, quotes without an end, and characters that nobody sees."""
    with pytest.raises(ValueError, match=r"has|lacks"):
        split_words(line)


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \n\r\t")), max_size=5))
def test_any_words_can_be_written(words: list[str]) -> None:
    """Whatever is in them is quoted."""
    assert split_words(joined(tuple(words))) == tuple(words)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("a,b", ("a", "b"), id="commas"),
        pytest.param("a,b\nc", ("a,b", "c"), id="line breaks"),
        pytest.param(
            "acl x hdr(a,1),acl y { src 1.1.1.1,2.2.2.2 }", ("acl x hdr(a,1)", "acl y { src 1.1.1.1,2.2.2.2 }")
        ),
        pytest.param("""string "a,b",x 'c,d'""", ('string "a,b"', "x 'c,d'"), id="quotes"),
        pytest.param("  a ,, b\t", ("a", "b"), id="blanks"),
        pytest.param("", (), id="nothing"),
    ],
)
def test_lines_are_divided_at_line_breaks_or_else_at_commas(text: str, lines: tuple[str, ...]) -> None:
    """Those in quotes and brackets belong to the line."""
    assert split_lines(text) == lines


@pytest.mark.parametrize(
    ("line", "why"),
    [
        # What reads files or the environment
        ('http-request set-header X "${HOME}"', "variable of the environment"),
        ("http-request set-header X %[env(HOME)]", "'env', which reads the environment"),
        ("http-request set-header X %{+Q}[env(HOME)]", "'env'"),
        ("http-request set-header X %(name)[env(HOME)]", r"'%\(' or '%{'"),
        ("http-request set-header X %%%[env(HOME)]", "'env'"),
        ("http-request set-header X %[src,map(/etc/passwd)]", "'map', which reads a file"),
        ("http-request set-header X %[src,map_str_ip(maps/x.map)]", "reads a file"),
        ("http-request set-header X %[hdr(a),jwt_verify(RS256,/run/secrets/key)]", "reads a file"),
        ("http-request set-var(txn.a) env(HOME)", "'env'"),
        ("http-request set-var(txn.a) str(a) map(/etc/passwd)", "'map.*where one of these belongs: if, unless"),
        ("http-request deny if { src -f /run/secrets/x }", "'-f'"),
        ("http-request deny if { path -M -f /x }", "'-M'"),
        ("acl a src -n -f /run/secrets/x", "'-f'"),
        ("http-request return file /run/secrets/x", "reads a file"),
        ("http-request return lf-file /run/secrets/x", "reads a file"),
        ("http-request deny errorfile /run/secrets/x", "reads a file"),
        ("http-error status 503 content-type text/html file /x", "'file'"),
        ("errorfile 503 /run/secrets/x", "reads a file"),
        ("errorfiles mine", "reads files"),
        ("default-server ca-file /run/secrets/x", "come from labels"),
        ("option external-check", "none of these"),
        ("external-check command /bin/sh", "words that are allowed"),
        ("server-state-file-name /x", "words that are allowed"),
        # What changes or tells what is shared
        ("http-request set-map(maps/prefixes.map) %[path] x", "not allowed here"),
        ("http-request del-map(maps/prefixes.map) %[path]", "not allowed here"),
        ("http-request add-acl(x) %[path]", "not allowed here"),
        ("http-request del-acl(x) %[path]", "not allowed here"),
        ("http-request set-var(proc.x) path", "not this request's"),
        ("http-request set-var(sess.x) path", "not this request's"),
        ("http-request set-var-fmt(proc.x) x", "not this request's"),
        ("http-request unset-var(sess.x)", "not this request's"),
        ("http-request set-header X %[path,set-var(proc.x)]", "does not end with the request"),
        ("http-request set-header X %[path,set-var('proc.x')]", "does not end with the request"),
        ("http-request set-header X %[var(sess.x)]", "does not end with the request"),
        ("http-request set-header X %[str(a),concat(,proc.x)]", "does not end with the request"),
        ("http-request track-sc0 src table table:x", "not allowed here"),
        ("http-request sc-inc-gpc0(0)", "not allowed here"),
        ("http-request deny if { sc0_http_req_rate gt 1 }", "counted for all"),
        ("http-request deny if { src_conn_cur(table:x) gt 1 }", "counted for all"),
        ("http-request deny if { src,table_conn_cnt(table:x) gt 1 }", "counted for all"),
        ("http-request deny if { src,in_table(table:x) }", "counted for all"),
        ("http-request deny if { nbsrv(other-be80_0) lt 1 }", "another backend"),
        ("http-request deny if { fe_conn gt 1 }", "more than this service"),
        ("http-request deny if { srv_conn(other-be80_0/other) gt 1 }", "more than this service"),
        ("http-request deny if { http_auth(users-0123456789ab) }", "com.df.users"),
        ("http-request set-header X %[http_auth_pass]", "com.df.users"),
        ("http-request auth realm x", "com.df.users"),
        ("http-request set-header X %[ssl_fc_session_key]", "secrets of a connection"),
        ("tcp-request content set-var(txn.a) req.hdr(Authorization)", "not allowed here|not this request's"),
        ("stick-table type ip size 1k", "rateLimit"),
        ("stick on src table x", "sessionType"),
        ("stats enable", "all services"),
        ("stats admin if TRUE", "all services"),
        ("log 192.0.2.1:514 local0", "up to the proxy"),
        ("id 1", "words that are allowed"),
        ("guid x", "words that are allowed"),
        ("disabled", "words that are allowed"),
        ("capture cookie x len 5", "words that are allowed"),
        ("http-request capture path len 5", "not allowed here"),
        ("unique-id-format %[src]", "words that are allowed"),
        ("maxconn 1", "words that are allowed"),
        ("rate-limit sessions 1", "words that are allowed"),
        # What calls something, or goes elsewhere
        ("http-request lua.x", "not allowed here"),
        ("http-request set-header X %[lua.x]", "runs a program"),
        ("http-request use-service prometheus-exporter", "not allowed here"),
        ("http-request send-spoe-group a b", "not allowed here"),
        ("http-request do-resolve(txn.a,dns) hdr(host)", "not allowed here"),
        ("http-request cache-use x", "not allowed here"),
        ("http-request do-log", "not allowed here"),
        ("filter spoe engine x config /x", "words that are allowed"),
        ("email-alert mailers x", "words that are allowed"),
        ("dispatch 192.0.2.1:80", "words that are allowed"),
        ("source 0.0.0.0 usesrc clientip", "words that are allowed"),
        ("option transparent", "none of these"),
        ("http-check connect addr unix@/run/swarmgate/runtime.sock", "'addr'"),
        ("tcp-check connect addr unix@/run/swarmgate/runtime.sock", "'addr'"),
        ("tcp-check connect via-socks4", "'via-socks4'"),
        ("http-check send uri-lf %[env(HOME)]", "'env'"),
        ("tcp-check send-lf %[env(HOME)]", "'env'"),
        ("http-check set-var(proc.x) str(a)", "none of these"),
        ("http-check expect status-code env(HOME) status 200", "'status-code'"),
        ("option httpchk GET /%[env(HOME)]", "'env'"),
        # What concerns the client's connection or the process
        ("http-request set-tos 1", "not allowed here"),
        ("http-request set-mark 1", "not allowed here"),
        ("http-request set-nice -1024", "not allowed here"),
        ("http-request silent-drop", "others may use"),
        ("http-request reject", "others may use"),
        ("tcp-request content reject", "others may use"),
        ("tcp-request connection reject", "neither 'content' nor"),
        ("tcp-request session accept", "neither 'content' nor"),
        # What would take the place of what is generated
        ("server evil 192.0.2.1:80", "servers are made"),
        ("server-template x 3 y:80", "servers are made"),
        ("backend web-be80_0", "leave this line out"),
        ("mode tcp", "com.df.reqMode"),
        ("bind :81", "com.df.srcPort"),
        ("use_backend x if TRUE", "com.df.templateFePath"),
        ("redirect prefix http://x", "http-request redirect"),
        ("reqrep a b", "http-request replace-path"),
        ("acl another_method always_true", "used by other labels"),
        ("acl TRUE always_false", "HAProxy has already"),
        ("acl OR always_false", "lacks the name"),
        # What is no line at all
        ("frontend x", "words that are allowed"),
        ("'global'", "words that are allowed"),
        ('glo""bal', "words that are allowed"),
        (".if 1", "words that are allowed"),
        ("balance", "none of these"),
        ("http-request", "lacks its action"),
        ("http-request deny if", "no condition"),
        ("http-request deny if { path", "lacks the word '}'"),
        ("http-request deny if { }", "empty test"),
        ("http-request deny if { path }", "compares 'path' with nothing"),
        ("http-request deny if mine", "not defined above"),
        ("http-request deny since { path / }", "'since'"),
        ("http-request set-header X", "lacks an argument"),
        ("http-request set-header X a b", "'b' where"),
        ("http-request set-header X %[src", "lacks the ']'"),
        ("http-request set-header X %[path,regsub(a)b,c)]", "lacks the ']'"),
        ("http-request set-header X %[str(a]", r"closing '\)'"),
        ("http-request set-header X %[%[src]]", "does not begin with the name"),
        (r"http-request set-header X a\nb", "line break"),
        ("http-request deny if { req.len gt 0 }", "cannot be used here"),
        ("tcp-response content accept", "words that are allowed"),
        ("acl a path_beg " + "/x " * 70, "64 words"),
        ("http-request set-header X " + "x" * 2100, "2000 bytes"),
    ],
)
def test_refused(line: str, why: str) -> None:
    """Each with a reason, and the label."""
    reading = read({"servicePath": "/web", "port": "80", "backendExtra": f"timeout server 5s\n{line}"})
    assert reading.service is None
    (problem,) = reading.problems
    assert problem.text.startswith("com.df.backendExtra=")
    with pytest.raises(ValueError, match=f"^is refused: line 1 .*({why})"):
        profile_lines(line, "http")


@pytest.mark.parametrize(
    "line",
    [
        "http-request deny",
        "http-response deny",
        "option httpclose",
        "compression algo gzip",
        "balance uri",
        "timeout http-request 5s",
        "retry-on 503",
        "tcp-request content lua.x",
        "tcp-request content track-sc0 src",
        "tcp-request content set-var(sess.x) src",
        "tcp-request content switch-mode http",
        "tcp-request content use-service lua.x",
    ],
)
def test_refused_with_connections(line: str) -> None:
    """With ``reqMode=tcp`` there are no requests."""
    labels = {"reqMode": "tcp", "srcPort": "6379", "port": "6379", "backendExtra": line}
    assert ["is refused: line 1 " in problem.text for problem in read(labels).problems] == [True]


def lines(text: str, mode: Mode = "http") -> list[str]:
    return list(profile_lines(text, mode))


def test_names_of_hosts_are_never_looked_up() -> None:
    """HAProxy would ask the DNS while it starts; and a word behind an expression could be taken for a converter."""
    assert lines("acl a src www.example.com") == ["acl a src -n www.example.com"]
    assert lines("http-request deny if { req.hdr(a) map(/x) }") == ["http-request deny if { req.hdr(a) -n map(/x) }"]


def test_comments_and_empty_lines_are_left_out() -> None:
    """They say nothing to HAProxy."""
    assert lines("# one\n\n  retries 2 # two\r\n\tfullconn 5") == ["retries 2", "fullconn 5"]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("balance source", ["hash-type consistent"]),
        ("balance hdr(X)\nretries 2", ["hash-type consistent"]),
        ("balance source\nhash-type map-based", []),
        ("balance leastconn", []),
    ],
)
def test_a_hash_does_not_depend_on_the_number_of_servers(text: str, more: list[str]) -> None:
    """Or none could come and go without a reload."""
    assert lines(text) == [*text.split("\n"), *more]


def test_there_is_an_end_to_lines() -> None:
    """A label is no program."""
    assert len(lines("retries 2\n" * 200)) == 200
    with pytest.raises(ValueError, match="more than 200 lines"):
        lines("retries 2\n" * 201)


def test_acls_of_other_labels_are_known() -> None:
    """A line that widened one would open what a label closes."""
    everything = (path.read_text(encoding="utf-8") for path in GOLDEN.glob("*/haproxy.cfg"))
    sections = (section for text in everything for section in re.findall(r"^defaults (?:.+\n)+", text, re.MULTILINE))
    lines = [line for section in sections for line in section.split("\n")]
    found = {line.split()[1] for line in lines if line.startswith("    acl ")}
    assert found - {"old", "odd"} == GENERATED_ACLS  # those two are lines that the cases bring
    assert not GENERATED_ACLS & PREDEFINED
