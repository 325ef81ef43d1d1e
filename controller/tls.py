"""Certificates of services and of authorities, as labels ask for them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address

from controller.endpoints import Surroundings, outside_host
from controller.pem import PemError, read_certificate, split_pem
from models import conditions, notices
from models.certificates import (
    Certificate,
    CertificateFiles,
    CertificateList,
    CertificateSource,
    RejectedCertificate,
    list_certificates,
)
from models.conditions import Condition
from models.notices import Notice
from models.proxy import ServerIdentity
from models.service import Destination, ProxyService
from models.settings import ProxySettings
from models.snapshot import SwarmService

_NAMES_TOLD = 5


@dataclass(frozen=True, slots=True)
class IdentityResult:
    """Who the servers of a destination have to be (None: anybody may, unless it is ``closed``)."""

    identity: ServerIdentity | None = None
    closed: bool = False
    conditions: tuple[Condition, ...] = ()


def list_all(
    services: Iterable[ProxyService], settings: ProxySettings, surroundings: Surroundings, refused: Mapping[str, str]
) -> CertificateList:
    """Return the list of all certificates: those found around the proxy, and those of services.

    Args:
        services: those that exist, the oldest first, which is how they compete for a name.
        settings: the proxy's own.
        surroundings: what was found around the proxy.
        refused: HAProxy's own words about certificates that it refused, by fingerprint.
    """
    if settings.crt_list_path is not None:
        return CertificateList(stamp=surroundings.certificates.stamp)
    found = surroundings.certificates
    own = [
        _of_service(service.name, service.certificates.service_cert)
        for service in services
        if service.certificates.service_cert is not None
    ]
    files = replace(
        found,
        usable=(*found.usable, *(each for each in own if isinstance(each, Certificate))),
        rejected=(*found.rejected, *(each for each in own if isinstance(each, RejectedCertificate))),
    )
    return list_certificates(_without(files, refused), settings.preferred_certificate, surroundings.now)


def facts_of(certificates: CertificateList) -> Iterator[tuple[str, Condition]]:
    """Return what is wrong with certificates of services, each with the service's name; the last one counts."""
    for shadowed in certificates.shadowed:
        if shadowed.certificate.source is CertificateSource.SERVICE:
            conflict = conditions.certificate_conflict(names=shadowed.names, winner=shadowed.winner.id)
            yield shadowed.certificate.name, conflict
    for entry in certificates.listed:
        if entry.problem and entry.certificate.source is CertificateSource.SERVICE:
            yield entry.certificate.name, conditions.certificate_invalid(entry.problem)
    for rejected in certificates.rejected:
        if rejected.source is CertificateSource.SERVICE:
            yield rejected.name, conditions.certificate_invalid(rejected.problem)


def notices_of(certificates: CertificateList) -> Iterator[tuple[str, Notice]]:
    """Return what those should know whose certificates go before others of services, each with the service's name."""
    for shadowed in certificates.shadowed:
        winner, loser = shadowed.winner, shadowed.certificate
        if winner.source is loser.source is CertificateSource.SERVICE:
            what = f"the name {', '.join(shadowed.names)} of the certificate in com.df.serviceCert"
            yield winner.name, notices.contested(what, by=loser.name)


def name_facts(service: ProxyService) -> tuple[Condition, ...]:
    """Return what there is to say if a service brings a certificate along that is for none of its own domains."""
    text = service.certificates.service_cert
    if text is None:
        return ()
    own, domains = _of_service(service.name, text), _domains(service)
    if not isinstance(own, Certificate) or not domains or any(_is_for(own, domain) for domain in domains):
        return ()
    names, wanted = (", ".join(every[:_NAMES_TOLD]) for every in (own.names, domains))
    return (conditions.certificate_invalid(f"is for {names}, not for com.df.serviceDomain ({wanted})"),)


def _domains(service: ProxyService) -> tuple[str, ...]:
    """Return the domains of a service; patterns of other kinds (``serviceDomainAlgo``) are none."""
    matchings = (destination.matching for destination in service.destinations)
    plain = (matching for matching in matchings if matching.service_domain_algo is None)
    return tuple(dict.fromkeys(domain.lower() for matching in plain for domain in matching.service_domain))


def _is_for(certificate: Certificate, domain: str) -> bool:
    """Tell whether clients take a certificate for a domain, or for some of the hosts below a wildcard."""
    if domain.startswith("*"):
        return any(name.endswith(domain.lstrip("*")) for name in certificate.names)
    return domain in certificate.names or f"*.{domain.partition('.')[2]}" in certificate.names


@lru_cache(maxsize=4096)
def _of_service(name: str, text: str) -> Certificate | RejectedCertificate:
    try:
        return read_certificate(name, CertificateSource.SERVICE, split_pem(text))
    except PemError as error:
        return RejectedCertificate(name, CertificateSource.SERVICE, str(error))


def _without(files: CertificateFiles, refused: Mapping[str, str]) -> CertificateFiles:
    """Return the same, with those that HAProxy refused among the rejected ones."""
    if not refused:
        return files
    rejected = tuple(
        RejectedCertificate(
            each.name, each.source, f"is refused by HAProxy: {refused[each.fingerprint]}", each.fingerprint
        )
        for each in files.usable
        if each.fingerprint in refused
    )
    usable = tuple(each for each in files.usable if each.fingerprint not in refused)
    return replace(files, usable=usable, rejected=(*files.rejected, *rejected))


def identity_of(service: SwarmService, destination: Destination, surroundings: Surroundings) -> IdentityResult:
    """Return who the servers of a destination have to be; without the authority asked for it is closed."""
    name = destination.backend_tls.ssl_verify_ca
    if name is None:
        return IdentityResult()
    authority = surroundings.certificates.authorities.get(name)
    if authority is None:
        missing = conditions.authority_not_found(name)
        return IdentityResult(closed=True, conditions=(missing, conditions.failed_closed()))
    return IdentityResult(ServerIdentity(authority, _host_name(outside_host(service, destination) or service.name)))


def client_facts(destination: Destination, settings: ProxySettings) -> tuple[Condition, ...]:
    """Return what is in the way of verifying client certificates, if it is asked for."""
    asked = destination.client_certificates.verify_client_ssl
    return (
        (conditions.client_ca_not_set(),) if asked and settings.ca_file is None and not settings.crt_list_path else ()
    )


def _host_name(host: str) -> str | None:
    """Return a name that certificates can be for; HAProxy compares no addresses."""
    try:
        ip_address(host)
    except ValueError:
        return host
    return None
