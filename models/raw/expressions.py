"""Sample expressions, formats and conditions that a service may write: about its own requests and nothing else.

Everything is on a list of what is harmless, for HAProxy's language also reads files (``map``), the environment
(``env``), what is counted for all (``sc0_...``, ``table_...``) and the passwords of the operator's users. Divided as
HAProxy divides it, so nothing hides in an argument. Source: Configuration manual 7 and 8.2.6.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

_ADDRESS = "src dst fc_src fc_dst bc_src bc_dst fc_src_is_local fc_dst_is_local dst_is_local"
_PORT = "src_port dst_port fc_src_port fc_dst_port bc_src_port bc_dst_port"
_CONNECTION = (
    "fc_http_major fc_rcvd_proxy fc_pp_authority fc_pp_unique_id fc_pp_tlv fc_rtt fc_rttvar bc_http_major bc_reused "
    "be_id be_name fe_id fe_name srv_id srv_name accept_date request_date"
)
_TLS = (
    "ssl_fc ssl_fc_alg_keysize ssl_fc_alpn ssl_fc_cipher ssl_fc_curve ssl_fc_has_crt ssl_fc_has_early ssl_fc_has_sni "
    "ssl_fc_is_resumed ssl_fc_protocol ssl_fc_sni ssl_fc_use_keysize ssl_bc ssl_bc_alpn ssl_bc_cipher ssl_bc_protocol "
    "ssl_c_ca_err ssl_c_ca_err_depth ssl_c_der ssl_c_chain_der ssl_c_err ssl_c_i_dn ssl_c_key_alg ssl_c_notafter "
    "ssl_c_notbefore ssl_c_r_dn ssl_c_s_dn ssl_c_san ssl_c_serial ssl_c_sha1 ssl_c_sig_alg ssl_c_used ssl_c_verify "
    "ssl_c_version ssl_s_i_dn ssl_s_notafter ssl_s_notbefore ssl_s_s_dn ssl_s_serial ssl_s_sha1"
)
_REQUEST = (
    "base base32 baseq cook cook_cnt cook_val cookie hdr hdr_cnt hdr_ip hdr_val http_auth_bearer http_auth_type "
    "http_auth_user http_first_req method path pathq query req.cook req.cook_cnt req.cook_names req.cook_val req.fhdr "
    "req.fhdr_cnt req.hdr req.hdr_cnt req.hdr_ip req.hdr_names req.hdr_val req.proto_http req.ver req_ver url url32 "
    "url_ip url_port url_param urlp urlp_val unique-id capture.req.hdr capture.req.method capture.req.uri "
    "capture.req.ver req_proto_http"
)
_MESSAGES = (
    "req.body req.body_len req.body_param req.body_size req.hdrs res.body res.body_len res.body_size res.comp "
    "res.comp_algo res.cook res.cook_cnt res.cook_names res.cook_val res.fhdr res.fhdr_cnt res.hdr res.hdr_cnt "
    "res.hdr_ip res.hdr_names res.hdr_val res.hdrs res.ver resp_ver scook scook_cnt scook_val shdr shdr_cnt shdr_ip "
    "shdr_val status server_status txn.status wait_end capture.res.hdr capture.res.ver var"
)
_BYTES = (
    "payload payload_lv rdp_cookie rdp_cookie_cnt req.len req.payload req.payload_lv req.rdp_cookie req.rdp_cookie_cnt "
    "req.ssl_alpn req.ssl_hello_type req.ssl_sni req.ssl_ver req_len req_ssl_hello_type req_ssl_sni req_ssl_ver "
    "res.len res.payload res.payload_lv res.ssl_hello_type"
)
"""Samples of a connection's bytes, of which HAProxy warns where there are messages of HTTP."""
_CONSTANTS = "always_false always_true bin bool date date_us hostname int ipv4 ipv6 meth rand str uuid"
_OF_OWN_BACKEND = frozenset({"avg_queue", "be_conn", "connslots", "nbsrv", "queue"})
"""Samples about a backend: about the own one as long as no other is named."""

_PLAIN_CONVERTERS = (
    "add and b64dec base2 base64 be2dec be2hex bool bytes cpl crc32 crc32c cut_crlf date digest div djb2 even field "
    "has_ctl hex hex2i hmac host_only htonl http_date iif ip.ver ipmask json json_query jwt_header_query "
    "jwt_payload_query language length lower ltime ltrim mod ms_ltime ms_utime mul neg not odd or param port_only "
    "regsub reverse reverse_dom rfc7239_field rfc7239_is_valid rfc7239_n2nn rfc7239_n2np rfc7239_nn rfc7239_np rtrim "
    "sdbm sha1 sha2 sub ub64dec ub64enc upper url_dec url_enc us_ltime us_utime utime word wt6 x509_v_err_str xor xxh3 "
    "xxh32 xxh64"
)
_OF_VARIABLES = "concat secure_memcmp set-var strcmp unset-var"

_YES_OR_NO = frozenset(
    (
        *("always_false", "always_true", "bool", "not", "odd", "even", "has_ctl", "rfc7239_is_valid", "http_first_req"),
        *("ssl_fc", "ssl_fc_has_crt", "ssl_fc_has_early", "ssl_fc_has_sni", "ssl_fc_is_resumed", "ssl_bc"),
        *("ssl_c_used", "fc_rcvd_proxy", "fc_src_is_local", "fc_dst_is_local", "dst_is_local", "bc_reused"),
        *("req.proto_http", "req_proto_http", "wait_end", "res.comp", "secure_memcmp"),
    )
)
"""Samples and converters that need nothing to be compared with."""

_DERIVED = re.compile(r"_(beg|dir|dom|end|len|reg|sub)$")
"""What names of samples may end with in ACLs: a way of comparing."""
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_VARIABLE = re.compile(r"(txn|req|res)\.[A-Za-z0-9_.]+", re.ASCII)
_SHARED_VARIABLE = re.compile(r"(proc|p?sess|ptxn|preq|pres|check)\.")
_BEFORE_EXPRESSION = re.compile(r"%(?:\{[A-Za-z+,-]{1,32}\})?\[")
_OPAQUE_MARK = re.compile(r"%[({]")
_VALUE_FLAGS = frozenset({"-m"})
_FLAGS = frozenset({"-i", "-n"})
PREDEFINED = frozenset(
    (
        *("FALSE", "HTTP", "HTTP_1.0", "HTTP_1.1", "HTTP_2.0", "HTTP_CONTENT", "HTTP_URL_ABS", "HTTP_URL_SLASH"),
        *("HTTP_URL_STAR", "LOCALHOST", "METH_CONNECT", "METH_DELETE", "METH_GET", "METH_HEAD", "METH_OPTIONS"),
        *("METH_POST", "METH_PUT", "METH_TRACE", "TRUE", "WAIT_END"),
    )
)
"""ACLs that are always there (Configuration manual 7.4)."""
PREDEFINED_OF_BYTES = frozenset({"RDP_COOKIE", "REQ_CONTENT"})
_OR = frozenset({"or", "||"})


@dataclass(frozen=True, slots=True)
class Language:
    """The samples, converters and predefined ACLs that lines of one kind may use.

    ``bare`` are samples that get no argument.
    """

    fetches: frozenset[str]
    converters: frozenset[str]
    bare: frozenset[str] = frozenset()
    predefined: frozenset[str] = PREDEFINED


MATCHING = Language(
    fetches=frozenset(f"{_ADDRESS} {_PORT} {_CONNECTION} {_TLS} {_REQUEST} {_CONSTANTS}".split()),
    converters=frozenset(_PLAIN_CONVERTERS.split()),
)
"""Tests of requests that are not a service's yet: nothing that waits for a body or keeps something in a variable."""
OWN_MESSAGES = Language(
    fetches=MATCHING.fetches | frozenset(_MESSAGES.split()),
    converters=MATCHING.converters | frozenset(_OF_VARIABLES.split()),
    bare=_OF_OWN_BACKEND,
)
"""Anything about requests and responses of the service itself."""
OWN_CONNECTIONS = Language(
    fetches=OWN_MESSAGES.fetches | frozenset(_BYTES.split()),
    converters=OWN_MESSAGES.converters,
    bare=_OF_OWN_BACKEND,
    predefined=PREDEFINED | PREDEFINED_OF_BYTES,
)
"""Anything about connections of the service itself, with ``reqMode=tcp``."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A sample or converter with its arguments; None if it has no brackets."""

    name: str
    arguments: tuple[str, ...] | None


def check_expression(text: str, language: Language) -> None:
    """Check a word that is a sample expression.

    Raises:
        ValueError: it is none, or uses something that is not on the list.
    """
    terms, end = _terms(text, 0)
    if end != len(text):
        raise ValueError(f"has an expression with something odd behind {terms[-1].name!r}")
    _check_terms(terms, language)


def check_format(text: str, language: Language) -> None:
    """Check a word that may hold expressions in ``%[...]`` (a log-format), or is meant as plain text.

    Raises:
        ValueError: an expression in it uses something that is not on the list.
    """
    position = 0
    while (position := text.find("%", position)) >= 0:
        if text.startswith("%%", position) and not text.startswith("%%[", position):
            position += 2
        elif opening := _BEFORE_EXPRESSION.match(text, position):
            terms, position = _terms(text, opening.end())
            if text[position : position + 1] != "]":
                raise ValueError(f"lacks the ']' behind the expression with {terms[-1].name!r}")
            _check_terms(terms, language)
        elif _OPAQUE_MARK.match(text, position):
            raise ValueError("has a '%(' or '%{' that is not of the form %{+Q}[...]")
        else:
            position += 1


def check_test(words: tuple[str, ...], language: Language) -> tuple[str, ...]:
    """Check what follows the name of an ACL, or stands between braces, and return it without lookups of host names.

    Raises:
        ValueError: it reads a file, uses something that is not on the list, or compares with nothing.
    """
    if not words:
        raise ValueError("has an empty test")
    terms, end = _terms(words[0], 0)
    if end != len(words[0]):
        raise ValueError(f"has a test with something odd behind {terms[-1].name!r}")
    _check_terms(terms, language, derived=True)
    if len(words) == 1:
        if _DERIVED.sub("", terms[-1].name) not in _YES_OR_NO:
            raise ValueError(f"compares {terms[-1].name!r} with nothing; add values, or '-m found'")
        return words
    _check_flags(words[1:])
    return (words[0], "-n", *words[1:])  # so no word is taken for a converter, and no host name is looked up


def _check_flags(words: tuple[str, ...]) -> None:
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "--":
            return
        if word in _VALUE_FLAGS:
            next(rest, None)
        elif word not in _FLAGS:
            raise ValueError(f"has a test with {word[:8]!r}; allowed are -i, -m and --, and no files")


def check_condition(
    words: tuple[str, ...], language: Language, names: Mapping[str, str] | Collection[str]
) -> tuple[str, ...]:
    """Check what follows ``if`` or ``unless``, and return it with names of ACLs translated.

    Args:
        words: the condition.
        language: what its tests may use.
        names: the names of ACLs that have been defined, with what to write for them if that is not the same.

    Raises:
        ValueError: a test is refused, or an ACL is neither defined nor predefined.
    """
    if not words:
        raise ValueError("has no condition behind 'if' or 'unless'")
    found: list[str] = []
    position = 0
    while position < len(words):
        word = words[position].lstrip("!")
        marks = words[position][: len(words[position]) - len(word)]
        if word == "{":
            end = _closing_brace(words, position)
            found += [f"{marks}{{", *check_test(words[position + 1 : end], language), "}"]
            position = end
        elif not word or word.lower() in _OR:
            found.append(f"{marks}{word}")
        else:
            found.append(f"{marks}{_translated(word, names, language)}")
        position += 1
    return tuple(found)


def _closing_brace(words: tuple[str, ...], start: int) -> int:
    try:
        return words.index("}", start)
    except ValueError:
        raise ValueError("lacks the word '}' behind a test") from None


def _translated(name: str, names: Mapping[str, str] | Collection[str], language: Language) -> str:
    if name in names:
        return names[name] if isinstance(names, Mapping) else name
    if name in language.predefined:
        return name
    raise ValueError(f"uses the ACL {name[:40]!r}, which is not defined above it")


def _terms(text: str, start: int) -> tuple[list[_Term], int]:
    """Divide an expression as HAProxy does (``sample_parse_expr``); return also where it ends."""
    terms: list[_Term] = []
    position = start
    while True:
        match = _NAME.match(text, position)
        if match is None:
            raise ValueError("has an expression that does not begin with the name of a sample or converter")
        position, arguments = match.end(), None
        if text[position : position + 1] == "(":
            arguments, position = _arguments(text, position + 1)
        terms.append(_Term(match.group(), arguments))
        if text[position : position + 1] != ",":
            return terms, position
        position += 1


def _arguments(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """Divide arguments as HAProxy does (``make_arg_list``); return also where they end, behind the bracket."""
    arguments, quote, position = [""], "", start
    while position < len(text):
        char, follower = text[position], text[position + 1 : position + 2]
        if char in "\"'" and quote in ("", char):
            quote = "" if quote else char
        elif char == "\\" and quote != "'" and follower in (*"\\ \"'rnt",):
            arguments[-1] += follower
            position += 1
        elif char == "," and not quote:
            arguments.append("")
        elif char == ")" and not quote:
            return tuple(arguments), position + 1
        else:
            arguments[-1] += char
        position += 1
    raise ValueError("has an expression without its closing ')'")


def _check_terms(terms: list[_Term], language: Language, *, derived: bool = False) -> None:
    first, *converters = terms
    base = _DERIVED.sub("", first.name) if derived else first.name
    if first.name not in language.fetches and base not in language.fetches:
        if first.name not in language.bare:
            raise ValueError(_refusal(first.name))
        if first.arguments:
            raise ValueError(f"asks with {first.name!r} for another backend; write it without brackets")
    for term in converters:
        if term.name not in language.converters:
            raise ValueError(_refusal(term.name))
    for term in terms:
        _check_arguments(term)


def _check_arguments(term: _Term) -> None:
    arguments = term.arguments or ()
    if any(map(_SHARED_VARIABLE.match, arguments)):
        raise ValueError("uses a variable that does not end with the request; use one whose name begins with 'txn.'")
    if term.name in {"var", "set-var", "unset-var"} and not _VARIABLE.fullmatch(arguments[0] if arguments else ""):
        raise ValueError("uses a variable whose name does not begin with 'txn.', 'req.' or 'res.'")


_REASONS = (
    (re.compile(r"env$"), "reads the environment of the proxy"),
    (re.compile(r"map(_|$)|jwt_(verify|decrypt)"), "reads a file"),
    (re.compile(r"sc[0-9]?_|src_|table_|in_table"), "is about what is counted for all services"),
    (re.compile(r"(be|fe|srv)_|nbsrv|stopping|uptime|pid|proc"), "is about more than this service"),
    (re.compile(r"http_auth"), "is about users; they are asked for with com.df.users"),
    (re.compile(r"lua\."), "runs a program"),
    (re.compile(r"ssl_"), "tells secrets of a connection that others may use, too"),
    (re.compile(r"(set-)?var$|concat|strcmp|re[qs][._]|payload|rdp_"), "cannot be used here"),
)


def _refusal(name: str) -> str:
    reasons: Iterator[str] = (reason for pattern, reason in _REASONS if pattern.match(name))
    return f"uses {name[:40]!r}, which {next(reasons, 'is not among the samples and converters that are allowed')}"
