"""Labels that decide which requests are a destination's.

Plain paths and domains become map entries; everything else becomes tests that cost only the requests that come near
them (`models.claims` says how).
"""

import re
from functools import lru_cache
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, Field, ValidationInfo

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.paths import normal_path
from models.types import Allowed, DomainPattern, Flag, ListOf, PathPrefix, Port, SafeText, checked_as, to_integer

_PORT = "HAProxy opens a port, and says who has it, only from its configuration"

_RULE = "what no lookup can tell is tested by a rule of its own, so that other routes cost nothing"

RequestMode = Annotated[Literal["http", "tcp", "sni"], Allowed("http, tcp or sni")]
NameMethod = Literal["str", "beg", "end", "sub", "dom", "reg"]
"""How a name is compared (Configuration manual 7.1.3, the flag ``-m``)."""

_KEYWORDS = r"path(_(beg|end|sub|dir|reg))?( -i)?|path( -i)? -m (str|beg|end|sub|dir|reg)( -i)?"
_NAME_KEYWORDS = re.compile(
    r"(?:req_ssl_sni|req\.ssl_sni|ssl_fc_sni)(?: -i)?(?: -m (?P<method>str|beg|end|sub|dom|reg))?(?: -i)?"
    r"|ssl_fc_sni_(?P<form>end|reg)(?: -i)?"
)
PathMethod = Literal["str", "beg", "end", "sub", "dir", "reg"]
_PATH_METHOD = re.compile(r"[ _](str|beg|end|sub|dir|reg)\b")
HTTPS_PORT = 443
_PLAIN_KINDS = frozenset({"path", "path_beg"})
_PLAIN_ALGORITHMS = frozenset({"hdr(host)", "hdr_dom(host)", "hdr_end(host)"})


def _path_kind(value: str) -> str:
    if not re.fullmatch(_KEYWORDS, value) and name_method(value) is None:
        raise ValueError("is no way to compare paths or names")
    return value


def name_method(path_type: str) -> NameMethod | None:
    """Return how names of TLS connections are compared; None if it is paths that are.

    What HAProxy calls ``ssl_fc_sni`` is the name in TLS that the proxy itself speaks, which is not there when a
    connection is passed through. DFP's users meant the name that the client asks for, and so do we.
    """
    match = _NAME_KEYWORDS.fullmatch(path_type)
    return cast("NameMethod", match["method"] or match["form"] or "str") if match else None


@lru_cache(maxsize=256)
def path_method(path_type: str) -> PathMethod:
    """Return how paths are compared."""
    match = _PATH_METHOD.search(path_type)
    return cast("PathMethod", match[1] if match else "str")


def normal_form(path_type: str, path: str) -> str:
    """Return what is compared with the normal form of paths: a path in that form, or a pattern as it is.

    Raises:
        ValueError: the path has no normal form.
    """
    return normal_path(path) if path_method(path_type) in {"str", "beg"} else path


def _path(value: str, info: ValidationInfo) -> str:
    """Compared as text, a path is a path and a name a name; otherwise it is a pattern, which may be any text."""
    kind = info.data.get("path_type", "")
    if kind in _PLAIN_KINDS:
        value = checked_as(PathPrefix, value)
    if kind.startswith("path"):
        normal_form(kind, value)
        return value
    return checked_as(DomainPattern, value) if name_method(kind) in {"str", "end"} else value


def _domain(value: str, info: ValidationInfo) -> str:
    """What begins with ``*`` is always compared by its ending; what does not may be a pattern of another kind."""
    algorithm = info.data.get("service_domain_algo")
    is_pattern = algorithm and algorithm not in _PLAIN_ALGORITHMS and not value.startswith("*")
    return value if is_pattern else checked_as(DomainPattern, value)


def _header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$&*+.^_|~-]{1,128}:[^:]+", value):
        raise ValueError("is not of the form Name:value")
    return value


PathKind = Annotated[
    SafeText,
    AfterValidator(_path_kind),
    Allowed(
        "path, path_beg, path_end, path_sub, path_dir or path_reg, each optionally followed by -i; with reqMode=sni: "
        "req.ssl_sni, optionally followed by -i and by -m str, -m beg, -m end, -m sub, -m dom or -m reg"
    ),
]
Path = Annotated[
    SafeText,
    AfterValidator(_path),
    Allowed(
        "a path that begins with '/', in the characters that URLs allow (others as %XX); or, with another pathType, "
        "a pattern"
    ),
]
DomainAlgorithm = Annotated[
    Literal["hdr(host)", "hdr_beg(host)", "hdr_dom(host)", "hdr_end(host)", "hdr_sub(host)", "hdr_reg(host)"],
    Allowed("hdr(host), hdr_beg(host), hdr_dom(host), hdr_end(host), hdr_sub(host) or hdr_reg(host)"),
]
Domain = Annotated[
    SafeText,
    AfterValidator(_domain),
    Allowed(
        "a domain (shop.example.com), or an ending after one leading '*' (*.example.com, *example.com); or, with "
        "another serviceDomainAlgo, a pattern"
    ),
]
HeaderTest = Annotated[SafeText, AfterValidator(_header), Allowed("Name:value")]
Priority = Annotated[
    int, to_integer(signed=True), Field(ge=-1000, le=1000), Allowed("a whole number from -1000 to 1000")
]


class Matching(Family):
    """Which requests, TCP port or TLS connections a destination claims."""

    path_type: Annotated[
        PathKind,
        Label(
            doc="How `servicePath` is compared: as a prefix (`path_beg`), whole (`path`), or by another of HAProxy's "
            "ways, such as a regular expression (`path_reg`). With `reqMode=sni`: how the name that a TLS client asks "
            "for is compared with `servicePath` (`req.ssl_sni -m end`, `req.ssl_sni -i -m reg`), in any letter case.",
            example="path_reg -i",
            effect=Effect.RELOAD,
            why=_RULE,
            modes=("http", "sni"),
        ),
    ] = "path_beg"
    service_path: Annotated[
        ListOf[Path],
        Label(
            doc="URL path prefixes. Longest prefix wins over all services; `/demo` also matches `/demo1`. "
            "However a request writes it, it is the same path (`//demo`, `/%64emo`; see docs/edge.md). "
            "`/` by default if there is a `serviceDomain`. With `reqMode=sni`: names, compared as `pathType` says.",
            example="/demo/hello,/demo/person",
            modes=("http", "sni"),
        ),
    ] = ()
    service_path_exclude: Annotated[
        ListOf[Path],
        Label(
            doc="Paths, compared as `servicePath` is, that are left to other services.",
            example="/demo/private",
            effect=Effect.RELOAD,
            why=_RULE,
            restricts=True,
        ),
    ] = ()
    service_domain_algo: Annotated[
        DomainAlgorithm | None,
        Label(
            doc="How `serviceDomain` is compared, where it does not begin with `*`; `SERVICE_DOMAIN_ALGO` by default. "
            "Without either the domain must be the same, whatever the port.",
            example="hdr_dom(host)",
            indexed=False,
            effect=Effect.RELOAD,
            why=_RULE,
            modes=("http", "sni"),
        ),
    ] = None
    service_domain_match_all: Annotated[
        Flag,
        Label(
            doc="The same as `serviceDomainAlgo=hdr_dom(host)`.",
            example="true",
            indexed=False,
            deprecated="serviceDomainAlgo",
            modes=("http", "sni"),
        ),
    ] = False
    service_domain: Annotated[
        ListOf[Domain],
        Label(
            doc="Domains the request must be for. A leading `*` matches any beginning. "
            "Exact domains win over wildcards, longer wildcards over shorter ones. With `reqMode=sni`: the names that "
            "TLS clients ask for; without any, all that nobody else claims.",
            example="my-domain.com,*.my-other-domain.com",
            modes=("http", "sni"),
        ),
    ] = ()
    service_header: Annotated[
        ListOf[HeaderTest],
        Label(
            doc="Headers that the request must have, all of them, each with this value.",
            example="X-Version:3,X-Country:US",
            effect=Effect.RELOAD,
            why=_RULE,
        ),
    ] = ()
    user_agent: Annotated[
        ListOf[SafeText],
        Label(
            doc="Texts of which the header `User-Agent` must contain one, in any letter case.",
            example="Mozilla,curl",
            effect=Effect.RELOAD,
            why=_RULE,
        ),
    ] = ()
    req_mode: Annotated[
        RequestMode,
        Label(
            doc="`http`; or `tcp` to pass a whole port through; or `sni` to pass TLS connections through as they are, "
            "by the name that the client asks for. A port of the proxy's own HTTPS can be shared with the latter. "
            "`DEFAULT_REQ_MODE` by default.",
            example="tcp",
            effect=Effect.RELOAD,
            why=_PORT,
            modes=EVERY_MODE,
        ),
    ] = "http"
    src_port: Annotated[
        Port | None,
        Label(
            doc="With `reqMode=tcp` the port the proxy listens on for this destination; with `sni` likewise, 443 by "
            "default. With `http`, only requests that came to this port are claimed.",
            example="6379",
            effect=Effect.RELOAD,
            why=_PORT,
            modes=EVERY_MODE,
        ),
    ] = None
    src_https_port: Annotated[
        Port,
        Label(
            doc="The port that requests for `httpsPort` come to.",
            example="8443",
            effect=Effect.RELOAD,
            why=_RULE,
        ),
    ] = 443
    priority: Annotated[
        Priority,
        Label(
            doc="Routes with a higher priority come before all others, whatever their domains and paths.",
            example="10",
            effect=Effect.RELOAD,
            why="each priority is looked up by rules of its own",
        ),
    ] = 0
    is_default_backend: Annotated[
        Flag,
        Label(
            doc="Answers every request that no other service claims.",
            example="true",
            indexed=False,
            why="a reload where routes of templates are, since it comes behind these",
        ),
    ] = False

    @property
    def opened_port(self) -> int | None:
        """The port that the proxy listens on for this destination; None if it is one of those for HTTP."""
        if self.req_mode == "http":
            return None
        return self.src_port or (HTTPS_PORT if self.req_mode == "sni" else None)

    @property
    def name_method(self) -> NameMethod | None:
        """How `service_path` is compared with the names of TLS connections; None if it holds paths."""
        return name_method(self.path_type)
