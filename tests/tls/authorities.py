"""Certificates made on the spot, by an authority of the test's own."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key of which there is one for all tests, since making one takes a while."""
    return rsa.generate_private_key(65537, bits)


def new_key(kind: Literal["ecdsa", "rsa", "weak"]) -> Key:
    """Return a key; ``weak`` is one that OpenSSL refuses on most systems."""
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa_key(2048 if kind == "rsa" else 1024)


def key_pem(key: Key, password: bytes | None = None) -> str:
    """Return a key as text."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def certificate_pem(certificate: x509.Certificate) -> str:
    """Return a certificate as text."""
    return certificate.public_bytes(Encoding.PEM).decode()


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        """Both as one text."""
        return certificate_pem(self.certificate) + key_pem(self.key)

    @property
    def serial(self) -> int:
        """What tells it from every other one."""
        return self.certificate.serial_number


@dataclass(frozen=True)
class Authority:
    """Somebody who issues certificates."""

    issued: Issued

    @classmethod
    def new(cls, name: str = "Test authority", parent: Self | None = None) -> Self:
        """Return a new authority, of its own right or another one's."""
        key = new_key("ecdsa")
        signer = parent.issued.key if parent else key
        issuer = parent.issued.certificate.subject if parent else _name(name)
        builder = _builder(_name(name), issuer, key, timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return cls(Issued(builder.sign(signer, hashes.SHA256()), key))

    @property
    def pem(self) -> str:
        """The authority's certificate as text."""
        return certificate_pem(self.issued.certificate)

    def issue(
        self,
        *names: str,
        kind: Literal["ecdsa", "rsa", "weak"] = "ecdsa",
        days: float = 30,
        common_name: str | None = None,
    ) -> Issued:
        """Return a certificate for host names that expires after some days, which may be in the past."""
        key = new_key(kind)
        subject = _name(common_name or (names[0] if names else "nobody"))
        builder = _builder(subject, self.issued.certificate.subject, key, timedelta(days=days))
        if names:
            builder = builder.add_extension(_alternatives(names), critical=False)
        return Issued(builder.sign(self.issued.key, hashes.SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + life)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _alternatives(names: Iterable[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def fixed_certificate(*names: str) -> str:
    """Return a certificate with its key that is the same on every day and machine, and good for a century."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(names[0].encode()).digest())
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(names[0]))
        .issuer_name(_name(names[0]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(_alternatives(names), critical=False)
        .sign(key, None)
    )
    return certificate_pem(made) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
