"""The certificates around the proxy: files in a folder, mounted secrets, and one of our own when there is none.

Whatever is wrong with a file costs that file only. A file is read again when its size, time or inode have changed, so
looking at an unchanged folder costs one look at each file's entry.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from watchfiles import awatch

from controller.pem import LARGEST, Pem, PemError, read_authorities, read_certificate, split_pem
from controller.sealing import Seal
from controller.stored_certificates import StoredCertificates
from models.certificates import Certificate, CertificateFiles, CertificateSource, RejectedCertificate
from models.snapshot import StoredCertificate

log = structlog.get_logger()

SECRET_PREFIXES = ("cert-", "cert_")
AUTHORITY_PREFIXES = ("ca-", "ca_")
AUTHORITY_FOLDER = "ca"
SIDE_FILES = (".ocsp", ".sctl", ".issuer", ".dh")
"""What HAProxy may find beside a certificate: nothing to be read here, and no fault."""
_KEY = ".key"
_SELF_SIGNED_FILE = "self-signed.pem"
_SELF_SIGNED_NAME = "swarmgate.invalid"
_SELF_SIGNED_LIFE = timedelta(days=3650)
_LOOK_AGAIN = 30.0
"""Seconds before a folder that is not there is looked for again."""

_Signature = tuple[int, ...]
_Result = Certificate | RejectedCertificate


def put_folder(state_dir: Path) -> Path:
    """Return the folder of certificates that were put through the API; unlike ``CERTS_DIR`` it can be written to."""
    return state_dir / "certs"


class CertificateStore:
    """Reads certificates from ``certs_dir``, from what was put through the API, and from secrets in ``secrets_dir``.

    What was put is in a folder here, or kept in the Swarm, sealed with ``seal``; of two by one name the latter counts.
    The certificate that is shown while there is no other is made once and kept in ``state_dir``. ``ca_file`` and
    ``crt_list`` are files of the operator that HAProxy reads by itself, to be noticed when they change.
    """

    def __init__(
        self,
        certs_dir: Path,
        secrets_dir: Path,
        state_dir: Path,
        *,
        seal: Seal | None = None,
        ca_file: Path | None = None,
        crt_list: Path | None = None,
    ) -> None:
        self._certs_dir = certs_dir
        self._secrets_dir = secrets_dir
        self._state_dir = state_dir
        self._ca_file = ca_file
        self._crt_list = crt_list
        self._stored = StoredCertificates(seal or Seal())
        self._files: dict[Path, tuple[_Signature, Pem | str]] = {}
        self._results: dict[tuple[Path, Pem, Pem | None], _Result] = {}
        self._good: dict[Path, Certificate] = {}
        self._fallback: Certificate | None = None

    def read(self, stored: Collection[StoredCertificate] = ()) -> CertificateFiles:
        """Return everything there is now; what cannot be read is told, never raised.

        A file that has become unreadable counts as what it held before, since it may just be being written.
        ``stored`` are the certificates that the Swarm keeps.
        """
        names = {each.name for each in stored}
        files = (path for path in _regular_files(put_folder(self._state_dir)) if path.name not in names)
        put = dict.fromkeys(files, CertificateSource.API)
        folder = put | dict.fromkeys(_regular_files(self._certs_dir), CertificateSource.FOLDER)
        secrets = dict.fromkeys(_secrets(self._secrets_dir, SECRET_PREFIXES), CertificateSource.SECRET)
        sources = {path: source for path, source in (folder | secrets).items() if path.suffix not in SIDE_FILES}
        contents = {path: self._content(path) for path in sources}
        results = [*self._stored.read(stored), *self._judge(contents, sources)]
        self._forget({*contents, *(authorities := self._authority_files())})
        return CertificateFiles(
            usable=tuple(result for result in results if isinstance(result, Certificate)),
            rejected=tuple(result for result in results if isinstance(result, RejectedCertificate)),
            fallback=self._self_signed(),
            authorities=dict(self._authorities(authorities)),
            stamp=_stamp([path for path in (self._ca_file, self._crt_list, *_listed_in(self._crt_list)) if path]),
        )

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """Call ``mark_dirty`` when the folder has changed, for ever; it only ever means "look again"."""
        while True:
            try:
                async for _ in awatch(self._certs_dir, step=50, debounce=200, recursive=True):
                    mark_dirty("the folder of certificates has changed")
            except (OSError, RuntimeError) as error:
                log.debug("Cannot watch the folder of certificates", folder=str(self._certs_dir), error=str(error))
            await asyncio.sleep(_LOOK_AGAIN)

    def _content(self, path: Path) -> Pem | str:
        """Return the blocks of a file, or what is wrong with it."""
        try:
            status = path.stat()
            signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._files.get(path)
            if known is None or known[0] != signature:
                known = self._files[path] = (signature, _blocks(path))
            return known[1]
        except OSError as error:
            return f"cannot be read: {error.strerror}"

    def _judge(self, contents: dict[Path, Pem | str], sources: dict[Path, CertificateSource]) -> Iterator[_Result]:
        taken: set[Path] = set()
        found: list[tuple[Path, _Result]] = []
        for path, content in sorted(contents.items()):
            companion = _companion(path, content, contents)
            if companion is not None:
                taken.add(companion)
            found.append((path, self._result(path, sources[path], content, contents.get(companion or path))))
        for path, result in found:
            if isinstance(result, Certificate):
                self._good[path] = result
                yield result
            elif path in self._good:
                yield self._good[path]
                yield replace(result, problem=f"{result.problem}; what it held before stays in force")
            elif path not in taken:
                yield result

    def _result(
        self, path: Path, source: CertificateSource, content: Pem | str, companion: Pem | str | None
    ) -> _Result:
        if isinstance(content, str):
            return RejectedCertificate(path.name, source, content)
        beside = companion if isinstance(companion, Pem) and companion is not content else None
        key = (path, content, beside)
        if key not in self._results:
            pem = Pem(content.certificates, beside.keys) if beside else content
            try:
                self._results[key] = read_certificate(path.name, source, pem)
            except PemError as error:
                self._results[key] = RejectedCertificate(path.name, source, str(error))
        return self._results[key]

    def _forget(self, present: set[Path]) -> None:
        """Forget files that are gone, and what they held."""
        self._good = {path: known for path, known in self._good.items() if path in present}
        self._files = {path: known for path, known in self._files.items() if path in present}
        current = {content for _, content in self._files.values() if isinstance(content, Pem)}
        self._results = {key: result for key, result in self._results.items() if key[1] in current}

    def _authority_files(self) -> list[Path]:
        return [
            *_secrets(self._secrets_dir, AUTHORITY_PREFIXES),
            *_regular_files(self._certs_dir / AUTHORITY_FOLDER),
        ]

    def _authorities(self, files: list[Path]) -> Iterator[tuple[str, str]]:
        for path in files:
            content = self._content(path)
            if isinstance(content, Pem) and (authority := _authority(content.certificates)):
                yield path.name, authority

    def _self_signed(self) -> Certificate:
        path = self._state_dir / _SELF_SIGNED_FILE
        now = datetime.now(UTC)
        if self._fallback is None or now > self._fallback.not_after:
            self._fallback = _read_self_signed(path, now) or _make_self_signed(path, now)
        return self._fallback


@lru_cache(maxsize=1024)
def _authority(blocks: tuple[str, ...]) -> str | None:
    try:
        return read_authorities("\n".join(blocks))
    except PemError:
        return None


def _stamp(files: list[Path]) -> str:
    """Return a digest of the contents of files; one that cannot be read counts as empty."""
    total = hashlib.sha256()
    for path in files:
        total.update(_digest(path).encode())
    return total.hexdigest()[:16] if files else ""


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "-"


def _listed_in(crt_list: Path | None) -> list[Path]:
    """Return the certificates named by their full path in a list of the operator's own."""
    try:
        lines = crt_list.read_text("utf-8").split("\n") if crt_list else []
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(words[0]) for line in lines if (words := line.split()) and words[0].startswith("/")]


def _regular_files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry) for entry in entries if not entry.name.startswith(".") and entry.is_file())
    except OSError:
        return []


def _secrets(folder: Path, prefixes: tuple[str, ...]) -> list[Path]:
    return [path for path in _regular_files(folder) if path.name.lower().startswith(prefixes)]


def _blocks(path: Path) -> Pem | str:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        return f"is larger than {LARGEST // 1024} KiB"
    return split_pem(content.decode("latin-1"))


def _companion(path: Path, content: Pem | str, contents: dict[Path, Pem | str]) -> Path | None:
    """Return the file beside a certificate that has its key: ``name.pem.key`` or ``name.key`` for ``name.pem``."""
    if isinstance(content, str) or content.keys or not content.certificates:
        return None
    for candidate in (path.with_name(path.name + _KEY), path.with_suffix(_KEY)):
        beside = contents.get(candidate)
        if isinstance(beside, Pem) and beside.keys:
            return candidate
    return None


def _read_self_signed(path: Path, now: datetime) -> Certificate | None:
    """Return the certificate that was made before, if it is still of use."""
    try:
        kept = read_certificate(_SELF_SIGNED_NAME, CertificateSource.SELF_SIGNED, split_pem(path.read_text("ascii")))
    except (OSError, ValueError):
        return None
    return kept if now < kept.not_after else None


def _make_self_signed(path: Path, now: datetime) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _SELF_SIGNED_NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _SELF_SIGNED_LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_SELF_SIGNED_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_private(path, pem)
    return read_certificate(_SELF_SIGNED_NAME, CertificateSource.SELF_SIGNED, split_pem(pem.decode()))


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in one step."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)
