"""What Traefik's rules claim, in the words of our labels. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping

from controller.migrating.rules import Alternative, RuleError, Test, alternatives
from controller.migrating.translation import UntranslatableError, listed

Claim = dict[str, str]
"""Labels by their names, which say what a destination claims."""

_MERGED = ("serviceDomain", "servicePath")
"""Labels whose values are alternatives, so that claims that differ in one of them can be one."""

WILDCARD_NOTE = "wildcards: *.example.com stands for any beginning here (a.b.example.com), for one label in Traefik"
_REFUSING_NOTE = (
    "methods and addresses: what a rule keeps out by Method or ClientIP is answered 403 here, not by another route"
)


def claims(rule: str) -> list[tuple[Claim, tuple[str, ...]]]:
    """Return the claims of a rule for requests, each with what is to be known of it.

    Raises:
        UntranslatableError: a part of it cannot be said.
    """
    found = [_claim(each, _TESTS) for each in _alternatives(rule)]
    for claim in found:
        if claim.keys() & {"serviceHeader", "allowedMethods", "deniedMethods", "allowedSrc", "deniedSrc"}:
            claim.setdefault("servicePath", "/")
        if not claim.keys() & {"serviceDomain", "servicePath"}:
            claim["servicePath"] = "/"
    return [(claim, tuple(_notes(claim))) for claim in _merged(_by_regex_or_not(found))]


def connection_claims(rule: str, *, passthrough: bool) -> list[Claim]:
    """Return the claims of a rule for connections.

    Raises:
        UntranslatableError: a part of it cannot be said.
    """
    found = [_claim(each, _CONNECTION_TESTS) for each in _alternatives(rule)]
    for claim in found:
        names = claim.pop("serviceDomain", "")
        if names and not passthrough:
            raise UntranslatableError("a name is only known of TLS connections that are passed through")
        claim["reqMode"] = "sni" if passthrough else "tcp"
        if names:
            claim["serviceDomain"] = names
    return _merged(found)


def _alternatives(rule: str) -> Iterable[Alternative]:
    if not rule:
        raise UntranslatableError("the router has no rule of its own; give it one, such as Host(`shop.example.com`)")
    try:
        return alternatives(rule)
    except RuleError as error:
        raise UntranslatableError(f"the rule cannot be read: {error}") from None


def _claim(tests: Alternative, known: Mapping[str, Callable[[Test, Claim], None]]) -> Claim:
    claim: Claim = {}
    for test in sorted(tests, key=lambda test: test.negated):
        if test.name not in known:
            raise UntranslatableError(f"{test.shown} cannot be tested by labels; see com.df.templateFePath")
        known[test.name](test, claim)
    return claim


def _notes(claim: Claim) -> Iterable[str]:
    if any(domain.startswith("*") for domain in claim.get("serviceDomain", "").split(",")):
        yield WILDCARD_NOTE
    if claim.keys() & {"allowedMethods", "deniedMethods", "allowedSrc", "deniedSrc"}:
        yield _REFUSING_NOTE


def _merged(found: Iterable[Claim]) -> list[Claim]:
    """Return the claims with those made one that differ in their domains only, or in their paths only."""
    merged = list[Claim]()
    for name in _MERGED:
        merged, rest = [], merged or list(found)
        for claim in rest:
            twin = next((each for each in merged if _all_but(each, name) == _all_but(claim, name)), None)
            if twin and twin.keys() == claim.keys():
                twin[name] = (
                    listed([*twin.get(name, "").split(","), *claim.get(name, "").split(",")]) if name in twin else ""
                )
            else:
                merged.append(dict(claim))
    return merged


def _all_but(claim: Claim, name: str) -> Claim:
    return {key: value for key, value in claim.items() if key != name}


def _by_regex_or_not(found: list[Claim]) -> list[Claim]:
    """See to it that domains are compared in one way, for there is one for a whole service."""
    ways = {claim.get("serviceDomainAlgo", "") for claim in found if "serviceDomain" in claim}
    if len(ways) > 1:
        raise UntranslatableError("domains and regular expressions for domains cannot be mixed in one service")
    return found


def _refuse_negated(test: Test) -> None:
    if test.negated:
        raise UntranslatableError(f"{test.shown}: what a request must not be can only be said of paths")


def _put(claim: Claim, name: str, value: str, test: Test) -> None:
    if claim.get(name, value) != value:
        raise UntranslatableError(f"{test.shown} cannot be asked for beside another test of the same kind")
    claim[name] = value


def _host(test: Test, claim: Claim) -> None:
    _refuse_negated(test)
    if test.arguments != ("*",):
        _put(claim, "serviceDomain", listed(each.strip().lower() for each in test.arguments), test)


def _host_regexp(test: Test, claim: Claim) -> None:
    _refuse_negated(test)
    patterns = [_go_pattern(each) for each in test.arguments]
    _put(claim, "serviceDomain", listed(patterns), test)
    _put(claim, "serviceDomainAlgo", "hdr_reg(host)", test)


def _go_pattern(text: str) -> str:
    """Return an expression with the named parts of the older syntax (``{name:expression}``) as groups."""
    parts = re.split(r"\{\w*:((?:[^{}]|\{[0-9,]*\})+)\}", text)
    if len(parts) == 1:
        return text
    pattern = "".join(f"({part})" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return f"^{pattern}$"


def _path(kind: str) -> Callable[[Test, Claim], None]:
    def put(test: Test, claim: Claim) -> None:
        if any("{" in argument for argument in test.arguments) and kind != "path_reg":
            raise UntranslatableError(f"{test.shown}: a path with expressions in it; write it as PathRegexp")
        if not test.negated:
            _put(claim, "servicePath", listed(test.arguments), test)
            _put(claim, "pathType", kind, test)
        elif claim.get("pathType", "path_beg") == kind:
            claim.setdefault("servicePath", "/")
            claim["servicePathExclude"] = listed(
                [*filter(None, claim.get("servicePathExclude", "").split(",")), *test.arguments]
            )
        else:
            raise UntranslatableError(f"{test.shown} cannot be excluded from paths that are compared in another way")

    return put


def _path_prefix(test: Test, claim: Claim) -> None:
    _path("path_beg")(test, claim)
    if claim.get("pathType") == "path_beg":
        del claim["pathType"]  # it is so by default


def _header(test: Test, claim: Claim) -> None:
    _refuse_negated(test)
    if len(test.arguments) != 2:  # noqa: PLR2004  a name and a value
        raise UntranslatableError(f"{test.shown} does not name a header and a value")
    item = ":".join(test.arguments)
    claim["serviceHeader"] = listed([*filter(None, claim.get("serviceHeader", "").split(",")), item])


def _one_of(allowed: str, denied: str) -> Callable[[Test, Claim], None]:
    def put(test: Test, claim: Claim) -> None:
        _put(claim, denied if test.negated else allowed, listed(test.arguments), test)

    return put


_TESTS: Mapping[str, Callable[[Test, Claim], None]] = {
    "host": _host,
    "hostheader": _host,
    "hostregexp": _host_regexp,
    "path": _path("path"),
    "pathprefix": _path_prefix,
    "pathregexp": _path("path_reg"),
    "header": _header,
    "headers": _header,
    "method": _one_of("allowedMethods", "deniedMethods"),
    "clientip": _one_of("allowedSrc", "deniedSrc"),
}
_CONNECTION_TESTS: Mapping[str, Callable[[Test, Claim], None]] = {
    "hostsni": _host,
    "clientip": _one_of("allowedSrc", "deniedSrc"),
}
