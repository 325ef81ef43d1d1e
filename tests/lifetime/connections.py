"""Who should get whole connections, by port or by the name that a TLS client asks for, and which certificate is shown.

As in `lifetime.reference`, one claim after the other.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lifetime.reference import ANY, Claim, Reference, servers_of
from routing.matching import fits as fits_domain

from controller.judging import Candidate
from controller.pem import split_pem
from models.certificates import Certificate
from models.interface import address_of
from models.service import Destination

PROXY = "the proxy"
"""Who gets the TLS connections that nobody has passed through."""


@dataclass(frozen=True, slots=True)
class NameClaim:
    """A wish for the TLS connections of a port for a name, or (``test``) for names that fit a regular expression."""

    candidate: Candidate
    destination: Destination
    name: str
    test: str = ""

    @property
    def seniority(self) -> tuple[object, ...]:
        """Sorts the same claims: the first one wins."""
        return (*self.candidate.seniority[:2], self.destination.index, self.candidate.form.name)

    @property
    def is_restricted(self) -> bool:
        """Whether not everybody may come, or not as often as they like."""
        access = self.destination.access
        return bool(
            self.candidate.closed or self.destination.limits.rate_limit or access.allowed_src or access.denied_src
        )

    @property
    def servers(self) -> frozenset[str]:
        """The servers that get the connections."""
        (way,) = self.candidate.form.ways(self.destination)
        return servers_of(self.candidate, self.destination, way)


class Connections:
    """The claims of ports and names of a world, settled; ``own`` are the ports of HTTP that end TLS, or do not."""

    def __init__(self, reference: Reference, *, https: int, http: int) -> None:
        self._reference = reference
        self._https = https
        self.tcp: dict[int, list[tuple[Candidate, Destination]]] = {}
        self.names: dict[int, list[NameClaim]] = {}
        users: dict[int, str] = {}
        for candidate in sorted(reference.candidates, key=lambda each: each.seniority):
            for destination in candidate.form.destinations:
                port, by_name = destination.matching.opened_port, destination.matching.req_mode == "sni"
                if port in {None, http} or (port == https and not by_name):
                    continue
                group = destination.balancing.service_group if not by_name else None
                if group and candidate.closed:
                    continue
                user = (
                    "names" if by_name else f"group {group}" if group else candidate.form.ways(destination)[0].backend
                )
                if users.setdefault(port, user) != user:
                    continue
                if by_name:
                    self.names.setdefault(port, []).extend(_name_claims(candidate, destination))
                else:
                    self.tcp.setdefault(port, []).append((candidate, destination))

    def servers_of_port(self, port: int, place: int) -> frozenset[str] | None:
        """Return the servers that get a TCP connection; none if it is closed, None if there is no telling."""
        members = self.tcp.get(port, [])
        if not members:
            return frozenset()
        leader, first = members[0]
        if first.limits.rate_limit:
            return None
        access = first.access
        inside = f"127.{place}."
        denied = any(each.startswith(inside) for each in access.denied_src)
        unknown = access.allowed_src and not any(each.startswith(inside) for each in access.allowed_src)
        if leader.closed or denied or unknown:
            return frozenset()
        found: set[str] = set()
        for candidate, destination in members:
            if destination.access == access:
                found |= _group_servers(candidate, destination)
        return frozenset(found)

    def taker(self, port: int, name: str) -> NameClaim | str | None:
        """Return who gets the TLS connections for a name: a service, the proxy itself, or (None) nobody."""
        claims = self._winners(port)
        rest = PROXY if port == self._https else None
        contest: list[tuple[tuple[object, ...], NameClaim | str]] = [
            (_rank(claim), claim) for claim in claims if _fits(claim, name)
        ]
        if claims and rest:
            domains = {claim.domain for claim in self._http_claims(port)} | self._reference.redirects.keys()
            lost = {claim.name for claim in claims if not claim.test}
            contest += [(_name_rank(each), PROXY) for each in domains - lost - {ANY} if fits_domain(each, name)]
        return min(contest, key=lambda each: each[0])[1] if contest else rest

    def _http_claims(self, port: int) -> list[Claim]:
        """Return the claims of HTTP services for requests that come to a port."""
        return [
            claim
            for claim in self._reference.all_claims
            if not claim.is_challenge and all(test == ("port", str(port)) for test in claim.tests if test[0] == "port")
        ]

    def _winners(self, port: int) -> list[NameClaim]:
        """Return the claims that are the oldest for what they claim, HTTP services included on a shared port."""
        winners: dict[tuple[str, str], NameClaim] = {}
        for claim in sorted(self.names.get(port, []), key=lambda each: each.seniority):
            winners.setdefault((claim.name, claim.test), claim)
        if port != self._https:
            return [*winners.values()]
        http = self._http_claims(port)
        return [claim for claim in winners.values() if not any(_is_older_rival(each, claim) for each in http)]


def _is_older_rival(http: Claim, claim: NameClaim) -> bool:
    same = not claim.test and http.domain == claim.name and http.candidate.form.name != claim.candidate.form.name
    return same and http.seniority < claim.seniority


def _name_claims(candidate: Candidate, destination: Destination) -> Iterator[NameClaim]:
    matching = destination.matching
    if not (matching.service_domain or matching.service_path):
        yield NameClaim(candidate, destination, ANY)
    yield from (NameClaim(candidate, destination, domain) for domain in matching.service_domain)
    yield from (NameClaim(candidate, destination, "", path) for path in matching.service_path)


def _fits(claim: NameClaim, name: str) -> bool:
    if claim.test:
        return re.search(claim.test, name, re.IGNORECASE) is not None
    return fits_domain(claim.name, name)


def _rank(claim: NameClaim) -> tuple[object, ...]:
    form = claim.candidate.form
    return (2, 0, form.acl_name, claim.destination.index) if claim.test else _name_rank(claim.name)


def _name_rank(name: str) -> tuple[object, ...]:
    if name == ANY:
        return (3, 0, "", 0)
    return (1, -len(name), "", 0) if name.startswith("*") else (0, 0, "", 0)


def _group_servers(candidate: Candidate, destination: Destination) -> frozenset[str]:
    (way,) = candidate.form.ways(destination)
    if destination.balancing.service_group:
        return frozenset(f"{address_of(task.addresses[0])}:{way.port}" for task in candidate.swarm.tasks)
    return servers_of(candidate, destination, way)


def shown_for(name: str, listed: Sequence[Certificate]) -> frozenset[str]:
    """Return the digests of certificates that may be shown for a name; ``listed`` are in the order of precedence."""
    wild = f"*.{name.partition('.')[2]}"
    for wanted in (name, wild):
        found = [each for each in listed if wanted in each.names]
        if found:
            return frozenset({digest_of(found[0])})
    return frozenset({digest_of(listed[0])})


def digest_of(certificate: Certificate) -> str:
    """Return the digest of a certificate, as clients see it."""
    shown = x509.load_pem_x509_certificate(split_pem(certificate.pem).certificates[0].encode())
    return hashlib.sha256(shown.public_bytes(Encoding.DER)).hexdigest()
