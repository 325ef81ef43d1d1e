"""The certificates that the Swarm keeps, unsealed: one more place that certificates are read from."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from controller.pem import PemError, read_certificate, split_pem
from controller.sealing import Seal, SealError
from models.certificates import Certificate, CertificateSource, RejectedCertificate
from models.snapshot import StoredCertificate


class StoredCertificates:
    """Unseals what is kept; remembers what it has unsealed as long as it is there."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._known: dict[StoredCertificate, Certificate | RejectedCertificate] = {}
        self._good: dict[str, Certificate] = {}

    def read(self, stored: Iterable[StoredCertificate]) -> Iterator[Certificate | RejectedCertificate]:
        """Return a certificate for each that is of use, and what is wrong with the others.

        Of one that took the place of a good one and is of no use, the good one stays in force.
        """
        self._known = {each: self._known.get(each) or self._read(each) for each in stored}
        self._good = {each.name: self._good[each.name] for each in self._known if each.name in self._good}
        for result in self._known.values():
            if isinstance(result, Certificate):
                self._good[result.name] = result
                yield result
            elif result.name in self._good:
                yield self._good[result.name]
                yield replace(result, problem=f"{result.problem}; the one before it stays in force")
            else:
                yield result

    def _read(self, stored: StoredCertificate) -> Certificate | RejectedCertificate:
        try:
            text = self._seal.open(stored.name, stored.content) if stored.sealed else stored.content
            return read_certificate(stored.name, CertificateSource.API, split_pem(text))
        except (SealError, PemError) as error:
            return RejectedCertificate(stored.name, CertificateSource.API, str(error))
