"""Certificates: what is known of each, and in which order and for which names they are shown to clients. Pure.

HAProxy picks by the name a client asks for: an exact name before a wildcard, and of several certificates for one name
the first whose kind of key the client supports. Here each name and kind of key is given to one certificate, so the
order in HAProxy's list makes no difference, and one more can be added to a running HAProxy at its end.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

_PLACES = {"api": 0, "folder": 0, "secret": 1, "service": 2, "self-signed": 3}

DEFAULT_FILE = "certs/default.pem"
"""The first entry of the list: a copy of the certificate that clients get who name no known host.

Its name never changes, so another default is the rotation of a certificate, which needs no reload."""

_PUBLIC = re.compile(r"-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n")
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")

SOON = 30
"""Days before a certificate expires from which on it needs attention."""


class CertificateSource(StrEnum):
    """Where a certificate comes from, in the order of precedence.

    What was put through the API is one of the folder, as in DFP; only of two by one name it goes first.
    """

    API = "api"
    FOLDER = "folder"
    SECRET = "secret"  # noqa: S105 - a kind of place
    SERVICE = "service"
    SELF_SIGNED = "self-signed"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain and key; ``pem`` holds all of them, the certificate first and no blank lines.

    ``key_kind`` is ``rsa``, ``ecdsa`` or another name in lower case; ``fingerprint`` is a digest of ``pem``.
    """

    name: str
    source: CertificateSource
    pem: str = field(repr=False)
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_kind: str

    @property
    def fingerprint(self) -> str:
        """A digest of everything, the key included."""
        return hashlib.sha256(self.pem.encode()).hexdigest()[:32]

    @property
    def id(self) -> str:
        """What it is called towards people: unique, and nothing secret."""
        return f"{self.source.value}/{self.name}"

    @property
    def public_pem(self) -> str:
        """The certificate and its chain, without the key."""
        return "".join(_PUBLIC.findall(self.pem))

    @property
    def file(self) -> str:
        """The file HAProxy knows it by, relative to the configuration folder."""
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", self.name)[:100]
        mark = "" if safe == self.name else f"-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"
        return f"certs/{self.source.value}-{safe}{mark}.pem"

    def problem(self, now: datetime) -> str:
        """Return what is wrong with it now, although it is shown to clients; nothing if empty."""
        if now > self.not_after:
            return f"expired on {self.not_after:%Y-%m-%d}"
        return f"is not valid before {self.not_before:%Y-%m-%d %H:%M} UTC" if now < self.not_before else ""


@dataclass(frozen=True, slots=True)
class RejectedCertificate:
    """Something that should be a certificate and cannot be used, and why, in words without any of its content.

    ``fingerprint`` is that of a certificate that HAProxy refused.
    """

    name: str
    source: CertificateSource
    problem: str
    fingerprint: str = ""

    @property
    def id(self) -> str:
        """What it is called towards people."""
        return f"{self.source.value}/{self.name}"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """What was found around the proxy.

    ``fallback`` is shown while there is no other; ``authorities`` are certificates of authorities by file or secret
    name, without any key; ``stamp`` is a digest of the files that HAProxy reads by itself (``CA_FILE``,
    ``CRT_LIST_PATH`` and what it lists), empty if there are none.
    """

    usable: tuple[Certificate, ...] = ()
    rejected: tuple[RejectedCertificate, ...] = ()
    fallback: Certificate | None = None
    authorities: Mapping[str, str] = field(default_factory=dict, repr=False)
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """A certificate in HAProxy's list; ``filters`` are the names it is for, none meaning all that it has."""

    certificate: Certificate
    filters: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ShadowedCertificate:
    """Names of a certificate that another one, which goes before it, is shown for."""

    certificate: Certificate
    names: tuple[str, ...]
    winner: Certificate


@dataclass(frozen=True, slots=True)
class CertificateList:
    """The certificates that HAProxy shows, and what became of those that it does not.

    ``default`` is None only where nothing was looked for at all; then there is no TLS. ``stamp`` is that of the files.
    """

    default: Certificate | None = None
    listed: tuple[ListedCertificate, ...] = ()
    shadowed: tuple[ShadowedCertificate, ...] = ()
    rejected: tuple[RejectedCertificate, ...] = ()
    stamp: str = ""


def list_certificates(files: CertificateFiles, preferred: Sequence[str], now: datetime) -> CertificateList:
    """Put certificates in order and give each name to the first one of its kind of key.

    Expired ones come last, those that match ``preferred`` first, then by source and name; certificates of services
    keep the order they are given in.
    """
    ordered = sorted(files.usable, key=lambda each: _rank(each, preferred, now))
    owners: dict[tuple[str, str], Certificate] = {}
    listed: list[ListedCertificate] = []
    shadowed: list[ShadowedCertificate] = []
    seen: set[str] = set()
    for certificate in ordered:
        if certificate.fingerprint in seen:
            continue
        seen.add(certificate.fingerprint)
        own, lost = _claim(certificate, owners)
        shadowed += lost
        if own or not lost:
            listed.append(ListedCertificate(certificate, own if lost else (), certificate.problem(now)))
    default = ordered[0] if ordered else files.fallback
    return CertificateList(default, tuple(listed), tuple(shadowed), files.rejected, files.stamp)


def _rank(certificate: Certificate, preferred: Sequence[str], now: datetime) -> tuple[object, ...]:
    matches = (number for number, pattern in enumerate(preferred) if _matches(certificate, pattern))
    name = "" if certificate.source is CertificateSource.SERVICE else certificate.name
    return (
        now > certificate.not_after,
        next(matches, len(preferred)),
        _PLACES[certificate.source.value],
        name,
        certificate.source is not CertificateSource.API,
    )


def _matches(certificate: Certificate, pattern: str) -> bool:
    """Tell whether a pattern (``PREFERRED_CERTIFICATE``) is for this certificate; its folder, if any, is ignored."""
    return fnmatchcase(certificate.name, pattern.rpartition("/")[2])


def _claim(
    certificate: Certificate, owners: dict[tuple[str, str], Certificate]
) -> tuple[tuple[str, ...], list[ShadowedCertificate]]:
    """Claim the names of a certificate; return those it gets, and those that somebody has."""
    own: list[str] = []
    lost: dict[str, list[str]] = {}
    winners: dict[str, Certificate] = {}
    for name in filter(_HOST.fullmatch, certificate.names):
        winner = owners.setdefault((name, certificate.key_kind), certificate)
        if winner is certificate:
            own.append(name)
        else:
            winners[winner.id] = winner
            lost.setdefault(winner.id, []).append(name)
    return tuple(own), [ShadowedCertificate(certificate, tuple(lost[id_]), winners[id_]) for id_ in winners]
