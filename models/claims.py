"""From a destination's labels to its claims: what each way of comparing means to the tables of routes and names."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import product

from models.labels.matching import Matching, normal_form, path_method
from models.passthrough import NAME, NameClaim
from models.predicates import Predicate
from models.routing import ANY_DOMAIN, Claim, PathMatch
from models.service import Destination, ProxyService, Way

_LOOKED_UP = {"path": PathMatch.EXACT, "path_beg": PathMatch.PREFIX}
_METHOD_OF = {"hdr_beg(host)": "beg", "hdr_sub(host)": "sub", "hdr_reg(host)": "reg"}


def claims_of(
    service: ProxyService,
    destination: Destination,
    way: Way,
    created_at: datetime,
    *,
    ready: bool = True,
    normal: bool = True,
) -> Iterator[Claim]:
    """Return the claims of one way into a destination (DFP's ACLs: ``url_``, ``domain_``, ``http_`` and port).

    ``ready`` says whether the way has any servers, and ``normal`` whether paths are compared in their normal form.
    """
    matching = destination.matching
    common = (*_common_predicates(matching), *way.predicates)
    claim = partial(
        Claim,
        backend=way.backend,
        service=service.name,
        acl_name=service.acl_name,
        index=destination.index,
        created_at=created_at,
        group=destination.traffic.traffic_group,
        weight=destination.traffic.weight,
        ready=ready,
    )
    for (domain, by_domain), (match, path, by_path) in product(_domains(matching), _paths(matching, normal=normal)):
        yield claim(
            domain=domain,
            path=path,
            match=match,
            predicates=(*by_domain, *by_path, *common),
            priority=matching.priority,
            tests_domain=bool(by_domain),
        )
    if matching.is_default_backend and not way.predicates:
        yield claim(domain=ANY_DOMAIN, path="", is_default=True)


def _domains(matching: Matching) -> list[tuple[str, tuple[Predicate, ...]]]:
    """Return the domain patterns, each with the tests that a pattern cannot express.

    What begins with ``*`` is compared by its ending, whatever the algorithm; it is about the others.
    """
    if not matching.service_domain:
        return [(ANY_DOMAIN, ())]
    wildcards = [(domain, ()) for domain in matching.service_domain if domain.startswith("*")]
    others = tuple(domain for domain in matching.service_domain if not domain.startswith("*"))
    return [*wildcards, *(_compared(others, matching) if others else ())]


def _compared(domains: tuple[str, ...], matching: Matching) -> list[tuple[str, tuple[Predicate, ...]]]:
    """Return the patterns and tests of domains without ``*``, by the algorithm in force."""
    algorithm = matching.service_domain_algo or ("hdr_dom(host)" if matching.service_domain_match_all else "hdr(host)")
    if algorithm == "hdr(host)":
        return [(domain, ()) for domain in domains]
    if algorithm == "hdr_end(host)":
        return [(f"*{domain}", ()) for domain in domains]
    if algorithm == "hdr_dom(host)":
        return [pattern for domain in domains for pattern in ((domain, ()), (f"*.{domain}", ()))]
    return [(ANY_DOMAIN, (Predicate(algorithm, domains, ("-i",)),))]


def _paths(matching: Matching, *, normal: bool) -> list[tuple[PathMatch, str, tuple[Predicate, ...]]]:
    """Return the paths, each with the tests that a lookup cannot do."""
    kind = matching.path_type
    paths, excludes = (
        tuple(dict.fromkeys(normal_form(kind, path) if normal else path for path in given))
        for given in (matching.service_path, matching.service_path_exclude)
    )
    excluded = (_path_test(kind, excludes, negated=True),) if excludes else ()
    looked_up = _LOOKED_UP.get(kind)
    if looked_up is not None:
        return [(looked_up, path, excluded) for path in paths]
    return [(PathMatch.TESTED, "", (_path_test(kind, paths), *excluded))]


def _path_test(path_type: str, texts: tuple[str, ...], *, negated: bool = False) -> Predicate:
    """Return the test of the path that a request is routed by (`path.cfg.j2`)."""
    ignoring_case = ("-i",) if "-i" in path_type.split() else ()
    return Predicate("var(txn.path)", texts, (*ignoring_case, "-m", path_method(path_type)), negated=negated)


def _common_predicates(matching: Matching) -> Iterator[Predicate]:
    for header in matching.service_header:
        name, _, value = header.partition(":")
        yield Predicate(f"req.hdr({name})", (value,))
    if matching.user_agent:
        yield Predicate("req.fhdr(User-Agent)", matching.user_agent, ("-i", "-m", "sub"))
    if matching.src_port is not None:
        yield Predicate("dst_port", (str(matching.src_port),))


def name_claims_of(
    service: ProxyService, destination: Destination, way: Way, created_at: datetime
) -> Iterator[NameClaim]:
    """Return the claims of a destination with ``reqMode=sni`` (DFP's ACLs ``sni_``, and our domains)."""
    matching = destination.matching
    if matching.opened_port is None:
        return
    for name, test in _names(matching):
        yield NameClaim(
            port=matching.opened_port,
            name=name,
            backend=way.backend,
            service=service.name,
            acl_name=service.acl_name,
            index=destination.index,
            created_at=created_at,
            test=test,
            keep_alive=destination.connection.clitcpka,
        )


def _names(matching: Matching) -> Iterator[tuple[str, Predicate | None]]:
    """Return the names and endings of domains and paths alike, each with the test that a lookup cannot do."""
    if not (matching.service_domain or matching.service_path):
        yield ANY_DOMAIN, None
    method = _METHOD_OF.get(matching.service_domain_algo or "")
    if method is not None:
        yield from ((ANY_DOMAIN, _name_test(method, text)) for text in matching.service_domain)
    elif matching.service_domain:
        yield from ((domain, None) for domain, _ in _domains(matching))
    for text in matching.service_path:
        if matching.name_method == "str":
            yield text, None
        elif matching.name_method == "end":
            yield f"*{text.lstrip('*')}", None
        else:
            yield ANY_DOMAIN, _name_test(str(matching.name_method), text)


def _name_test(method: str, text: str) -> Predicate:
    return Predicate(NAME, (text,), ("-i", "-m", method))
