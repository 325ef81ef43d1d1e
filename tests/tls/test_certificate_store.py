"""Reading certificates from folders: what is found, and that it is not read twice."""

import os
from pathlib import Path

import pytest
from tls.authorities import Authority, certificate_pem, key_pem

from controller.certificates import CertificateStore
from controller.pem import PemError, read_certificate, split_pem
from models.certificates import CertificateSource


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """The folders of certificates, secrets and state."""
    made = {name: tmp_path / name for name in ("certs", "secrets", "state")}
    for path in made.values():
        path.mkdir()
    return made


def store_in(places: dict[str, Path]) -> CertificateStore:
    """Return a store of these folders."""
    return CertificateStore(places["certs"], places["secrets"], places["state"])


def test_secrets_are_certificates_by_their_prefix(places: dict[str, Path], authority: Authority) -> None:
    """In any letter case; other secrets are none of our business."""
    for name in ("cert-a", "CERT_b", "dfp_cert-c", "certificate"):
        (places["secrets"] / name).write_text(authority.issue(f"{name}.example").pem)

    found = store_in(places).read()
    assert {each.name for each in found.usable} == {"cert-a", "CERT_b"}
    assert {each.source for each in found.usable} == {CertificateSource.SECRET}
    assert found.rejected == ()


def test_authorities_come_without_keys(places: dict[str, Path], authority: Authority) -> None:
    """From the folder ``ca`` and from secrets ``ca-*``."""
    (places["certs"] / "ca").mkdir()
    (places["certs"] / "ca" / "internal.pem").write_text(authority.issued.pem)
    (places["secrets"] / "ca-other").write_text(authority.pem)
    (places["secrets"] / "password").write_text(authority.pem)

    found = store_in(places).read()
    assert dict(found.authorities) == {"internal.pem": authority.pem, "ca-other": authority.pem}
    assert found.usable == found.rejected == ()


def test_missing_folders_are_empty_ones(tmp_path: Path) -> None:
    """And the certificate of our own is the same the next time."""
    absent = tmp_path / "absent"
    first = CertificateStore(absent, absent, tmp_path).read()
    assert first.usable == first.rejected == ()
    assert first.fallback is not None
    assert CertificateStore(absent, absent, tmp_path).read().fallback == first.fallback
    (tmp_path / "self-signed.pem").write_text("torn")
    assert CertificateStore(absent, absent, tmp_path).read().fallback != first.fallback


def test_only_what_changed_is_read_again(
    places: dict[str, Path], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotated file is noticed, also when only the key beside it changes."""
    opened: list[str] = []
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self.name) or real_open(self, *a, **k))
    first, second = authority.issue("a.example"), authority.issue("a.example")
    for name in ("a.pem", "b.pem"):
        (places["certs"] / name).write_text(first.pem)
    store = store_in(places)
    store.read()
    opened.clear()
    before = store.read()
    assert opened == []

    (places["certs"] / "b.pem").write_text(certificate_pem(second.certificate))
    (places["certs"] / "b.key").write_text(key_pem(first.key))
    torn = store.read()
    assert torn.usable == before.usable
    assert [each.problem.partition(";")[2] for each in torn.rejected] == [" what it held before stays in force"]
    (places["certs"] / "b.key").write_text(key_pem(second.key))
    os.utime(places["certs"] / "b.key", ns=(1, 1))
    after = store.read()
    assert [each.pem for each in after.usable] == [before.usable[0].pem, second.pem]


def test_the_chain_is_put_in_order() -> None:
    """The certificate of the key first, each issuer after what it issued, whatever the order was."""
    root = Authority.new("Root")
    middle = Authority.new("Middle", root)
    leaf = middle.issue("a.example")
    texts = [key_pem(leaf.key), root.pem, middle.pem, certificate_pem(leaf.certificate)]
    read = read_certificate("a", CertificateSource.FOLDER, split_pem("\r\n# remark\r\n\r\n".join(texts)))

    assert read.pem == certificate_pem(leaf.certificate) + middle.pem + root.pem + key_pem(leaf.key)
    assert (read.names, read.key_kind) == (("a.example",), "ecdsa")


def test_nothing_secret_is_told(authority: Authority) -> None:
    """Neither by what was read nor by an error."""
    issued = authority.issue("a.example")
    read = read_certificate("a", CertificateSource.FOLDER, split_pem(issued.pem))
    assert "BEGIN" not in repr(read)
    with pytest.raises(PemError) as caught:
        read_certificate("a", CertificateSource.FOLDER, split_pem(issued.pem.replace("MI", "xx")))
    assert issued.pem.split("\n")[1][4:] not in str(caught.value)
