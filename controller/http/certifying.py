"""Putting and removing certificates in answer to a request, up to the moment when HAProxy shows them.

Two interfaces share it: Swarmgate's own (``/v1/certificates/NAME``) and DFP's (``cert``).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from controller.certificate_keeping import CertificateKeeper
from controller.declarations import DeclarationRefusedError
from controller.http.answering import Answer, Distribution
from controller.pem import LARGEST, PemError, read_certificate, split_pem
from controller.status import StatusStore, certificate_problems
from models.certificates import Certificate, CertificateSource
from models.declared import is_service_name

log = structlog.get_logger()

_OK, _BAD_REQUEST, _NOT_FOUND, _CONFLICT, _TOO_LARGE, _FAILED = 200, 400, 404, 409, 413, 500


@dataclass(slots=True)
class Certifying:
    """Changes which certificates are kept, and waits until that is in force.

    ``own_list``: the operator has a list of certificates of their own, and no other is shown. ``limit`` is in seconds.
    """

    keeper: CertificateKeeper
    status: StatusStore
    distribution: Distribution
    mark_dirty: Callable[[str], None]
    own_list: bool = False
    limit: float = 10.0

    async def put(self, name: str, body: bytes, *, distribute: bool = True) -> Answer:
        """Keep a certificate with its key, PEM; what HAProxy refuses is taken back."""
        try:
            certificate = self._checked(name, body)
        except DeclarationRefusedError as error:
            return Answer(error.status, str(error), name)
        before = self.status.certificates().get(certificate.id)
        try:
            receipt = await self.keeper.put(name, certificate.pem)
        except DeclarationRefusedError as error:
            return Answer(error.status, str(error), name)
        log.info("Certificate put", certificate=name, sha256=hashlib.sha256(body).hexdigest()[:16])
        self.mark_dirty("a certificate was put")
        if not await self.status.until(lambda: self._is_judged(certificate), limit=self.limit):
            words = f"{name} is kept, but not in force after {self.limit:g} s; it still may be"
            return Answer(_FAILED, words, name)
        if not self._is_known(certificate):
            return await self._taken_back(certificate, before)
        problem = certificate_problems(self.status.desired.certificates).get(certificate.id, "")
        answer = Answer(_OK, f"{name} is in force", name, remark=f"{name} {problem}" if problem else "")
        return await self.distribution.completed(answer, receipt, asked=distribute)

    async def remove(self, name: str, *, distribute: bool = True) -> Answer:
        """Forget a certificate that was put through the API."""
        if not is_service_name(name):
            return Answer(_NOT_FOUND, f"no certificate {name} was put through the API", name)
        try:
            receipt = await self.keeper.remove(name)
        except DeclarationRefusedError as error:
            return Answer(error.status, str(error), name)
        if receipt is None:
            return Answer(_NOT_FOUND, f"no certificate {name} was put through the API", name)
        log.info("Certificate removed", certificate=name)
        self.mark_dirty("a certificate was removed")
        id_ = f"{CertificateSource.API.value}/{name}"
        if not await self.status.until(lambda: id_ not in self.status.certificates(), limit=self.limit):
            return Answer(_FAILED, f"{name} is removed, but still in force after {self.limit:g} s", name)
        return await self.distribution.completed(Answer(_OK, f"{name} is removed", name), receipt, asked=distribute)

    def _checked(self, name: str, body: bytes) -> Certificate:
        if not is_service_name(name):
            words = "certName must be letters, digits, '_', '.' and '-', beginning with a letter or digit"
            raise DeclarationRefusedError(words, status=_BAD_REQUEST)
        if not body:
            raise DeclarationRefusedError("the body must be the certificate and its key, as PEM", status=_BAD_REQUEST)
        if len(body) > LARGEST:
            raise DeclarationRefusedError(f"the certificate is larger than {LARGEST // 1024} KiB", status=_TOO_LARGE)
        if self.own_list:
            words = "the proxy shows the certificates of CRT_LIST_PATH and no others"
            raise DeclarationRefusedError(words, status=_CONFLICT)
        try:
            return read_certificate(name, CertificateSource.API, split_pem(body.decode("latin-1")))
        except PemError as error:
            raise DeclarationRefusedError(f"the body {error}", status=_BAD_REQUEST) from error

    def _is_judged(self, certificate: Certificate) -> bool:
        return self._is_known(certificate) or self._refusal(certificate) is not None

    def _is_known(self, certificate: Certificate) -> bool:
        known = self.status.certificates().values()
        return any(each.fingerprint == certificate.fingerprint for each in known)

    def _refusal(self, certificate: Certificate) -> str | None:
        rejected = self.status.desired.certificates.rejected
        return next((each.problem for each in rejected if each.fingerprint == certificate.fingerprint), None)

    async def _taken_back(self, certificate: Certificate, before: Certificate | None) -> Answer:
        """Put back what there was before a certificate that HAProxy refuses."""
        words = f"{certificate.name} {self._refusal(certificate)}"
        try:
            if before is None:
                await self.keeper.remove(certificate.name)
            else:
                await self.keeper.put(certificate.name, before.pem)
        except DeclarationRefusedError as error:
            return Answer(_FAILED, f"{words}; and it cannot be taken back: {error}", certificate.name)
        self.mark_dirty("a certificate was taken back")
        return Answer(_BAD_REQUEST, words, certificate.name)
