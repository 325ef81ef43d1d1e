"""What is around a proxy that speaks TLS: one certificate that is the same on every machine."""

from builders import BORN, SURROUNDINGS
from tls.authorities import fixed_certificate

from controller.endpoints import Surroundings
from controller.pem import read_certificate, split_pem
from models.certificates import CertificateFiles, CertificateSource

_OWN = read_certificate("a.pem", CertificateSource.FOLDER, split_pem(fixed_certificate("a.example")))
WITH_TLS = Surroundings(networks=SURROUNDINGS.networks, certificates=CertificateFiles(usable=(_OWN,)), now=BORN)
