"""Reading PEM: from text to a `Certificate` with its chain and key in order, or to what is wrong with it. Pure.

No error here holds any part of what was read.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from models.certificates import Certificate, CertificateSource

LARGEST = 64 * 1024
"""Bytes of a file that may be a certificate."""

_BLOCK = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s.+?-----END (?P=label)-----", re.DOTALL)
_CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})


class PemError(ValueError):
    """The text is not what it should be; the message says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Pem:
    """The blocks of a text, by what they are."""

    certificates: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)


def split_pem(text: str) -> Pem:
    """Return the certificates and keys of a text, in their order; whatever else is in it is skipped."""
    blocks = [(match["label"], match[0]) for match in _BLOCK.finditer(text.replace("\r", ""))]
    return Pem(
        certificates=tuple(block for label, block in blocks if label in _CERTIFICATE_LABELS),
        keys=tuple(block for label, block in blocks if label.endswith("PRIVATE KEY")),
    )


def read_certificate(name: str, source: CertificateSource, pem: Pem) -> Certificate:
    """Return the certificate that a key is for, with the chain in its order.

    Raises:
        PemError: there is no certificate or no key, the key is encrypted or fits no certificate, or one cannot be read.
    """
    if not pem.certificates:
        raise PemError("holds no certificate in PEM form")
    if not pem.keys:
        raise PemError("holds no private key, and there is none beside it")
    certificates = [_certificate(block) for block in pem.certificates]
    leaf, key = _match(certificates, [_key(block) for block in pem.keys])
    chain = [leaf, *_chain(leaf, certificates)]
    texts = [certificate.public_bytes(Encoding.PEM) for certificate in chain]
    texts.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Certificate(
        name=name,
        source=source,
        pem=b"".join(texts).decode(),
        names=_names(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        key_kind=_kind(key),
    )


def read_authorities(text: str) -> str:
    """Return the certificates of a text in PEM form, without anything else.

    Raises:
        PemError: there is none, or one cannot be read.
    """
    blocks = split_pem(text).certificates
    if not blocks:
        raise PemError("holds no certificate in PEM form")
    return b"".join(_certificate(block).public_bytes(Encoding.PEM) for block in blocks).decode()


def _certificate(block: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise PemError("holds a certificate that cannot be read") from None


def _key(block: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(block.encode(), password=None)
    except TypeError:
        raise PemError("holds a private key that is encrypted; store it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PemError("holds a private key that cannot be read") from None


def _match(
    certificates: Sequence[x509.Certificate], keys: Sequence[PrivateKeyTypes]
) -> tuple[x509.Certificate, PrivateKeyTypes]:
    """Return the first certificate that one of the keys is for, and that key."""
    known = {_public(key): key for key in keys}
    for certificate in certificates:
        key = known.get(_public(certificate))
        if key is not None:
            return certificate, key
    raise PemError("holds a private key that does not fit the certificate")


def _public(owner: x509.Certificate | PrivateKeyTypes) -> bytes:
    try:
        return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise PemError("holds a key of an unknown kind") from None


def _chain(leaf: x509.Certificate, certificates: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    """Return the other certificates: each issuer after what it issued, then those that belong to no chain."""
    rest = list(dict.fromkeys(certificate for certificate in certificates if certificate != leaf))
    last = leaf
    while issuer := next((one for one in rest if one.subject == last.issuer and last.issuer != last.subject), None):
        yield issuer
        rest.remove(issuer)
        last = issuer
    yield from rest


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the host names, in lower case: HAProxy takes those of the subject's common name, too."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        names = []
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    texts = [*names, *(str(attribute.value) for attribute in common)]
    return tuple(dict.fromkeys(text.lower() for text in texts if text.isprintable()))


def _kind(key: PrivateKeyTypes) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "rsa"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return "ecdsa"
    return type(key).__name__.removeprefix("_").removesuffix("PrivateKey").lower()
