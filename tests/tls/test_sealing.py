"""Sealed certificates: who can read them, and what becomes of those that nobody can."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tls.authorities import Authority

from controller.certificates import CertificateStore, put_folder
from controller.sealing import Seal, SealError
from controller.stored_certificates import StoredCertificates
from models.certificates import Certificate, CertificateSource, RejectedCertificate, list_certificates
from models.snapshot import EPOCH, StoredCertificate

OURS = Seal(SecretStr("between us"))
TEXT = "-----BEGIN PRIVATE KEY-----\nmost secret\n"


def test_what_is_sealed_is_read_with_the_same_token_only() -> None:
    """Equal text is sealed to equal text, under equal names; nothing of it can be seen."""
    sealed = OURS.close("shop.pem", TEXT)

    assert OURS.open("shop.pem", sealed) == TEXT
    assert sealed == Seal(SecretStr("between us")).close("shop.pem", TEXT)
    assert "secret" not in sealed
    assert OURS.close("other.pem", TEXT) != sealed
    for seal, words in ((Seal(SecretStr("guess")), "another token"), (Seal(), "there is no token")):
        with pytest.raises(SealError, match=words) as caught:
            seal.open("shop.pem", sealed)
        assert "secret" not in str(caught.value)


def test_the_first_token_seals_and_any_opens() -> None:
    """So a token may be added to the other one."""
    before = Seal(None, SecretStr("api"))
    after = Seal(SecretStr("listener"), SecretStr("api"))

    assert after.open("a", before.close("a", TEXT)) == TEXT
    with pytest.raises(SealError):
        before.open("a", after.close("a", TEXT))
    assert before.is_there
    assert not Seal(None, SecretStr("")).is_there


@pytest.mark.parametrize(
    "sealed",
    [
        pytest.param(OURS.close("other.pem", TEXT), id="sealed under another name"),
        pytest.param(OURS.close("shop.pem", TEXT)[:-8] + "AAAAAAA=", id="tampered with"),
        pytest.param(OURS.close("shop.pem", TEXT)[:20], id="torn"),
        pytest.param(OURS.close("shop.pem", TEXT).replace("v1:", "v9:"), id="of another version"),
        pytest.param("v1:%%%", id="no base64"),
        pytest.param("v1:é", id="no ASCII"),
        pytest.param("v1:", id="nothing"),
        pytest.param(TEXT, id="not sealed at all"),
    ],
)
def test_what_was_not_sealed_so_is_refused(sealed: str) -> None:
    """Whoever can write to the Swarm's store cannot pass anything off."""
    with pytest.raises(SealError):
        OURS.open("shop.pem", sealed)


def kept(name: str, text: str, seal: Seal = OURS) -> StoredCertificate:
    """Return a certificate as the Swarm keeps it."""
    return StoredCertificate(name=name, content=seal.close(name, text))


def test_one_that_cannot_be_read_is_told_by_its_name_and_breaks_nothing(authority: Authority) -> None:
    """The one that it took the place of stays in force, as long as its name is there."""
    store = StoredCertificates(OURS)
    good, other = authority.issue("shop.example"), authority.issue("other.example")
    strange = kept("shop.pem", good.pem, Seal(SecretStr("guess")))

    (first,) = store.read([kept("shop.pem", good.pem)])
    assert isinstance(first, Certificate)
    assert first.names == ("shop.example",)
    second = list(store.read([strange, kept("other.pem", other.pem)]))
    assert second[0] is first
    assert isinstance(second[1], RejectedCertificate)
    assert second[1].id == "api/shop.pem"
    assert second[1].problem.startswith("was sealed with another token")
    assert second[1].problem.endswith("; the one before it stays in force")
    assert [each.name for each in second[2:]] == ["other.pem"]

    assert list(store.read([])) == []
    (alone,) = store.read([strange])
    assert isinstance(alone, RejectedCertificate)
    (no_key,) = store.read([StoredCertificate(name="a", content=authority.pem, sealed=False)])
    assert isinstance(no_key, RejectedCertificate)
    assert "no private key" in no_key.problem


def test_what_is_put_is_one_of_the_folder(tmp_path: Path, authority: Authority) -> None:
    """By name among them, and before a file of the same name; what the Swarm keeps counts before what is here."""
    issued = {name: authority.issue("shop.example", f"{name}.example") for name in ("a", "b", "swarm", "here")}
    certs, here = tmp_path / "certs", put_folder(tmp_path / "state")
    for folder, name, of in ((certs, "a.pem", "a"), (certs, "b.pem", "b"), (here, "b.pem", "here")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(issued[of].pem)
    store = CertificateStore(certs, tmp_path / "secrets", tmp_path / "state", seal=OURS)

    def order(*stored: StoredCertificate) -> list[tuple[str, str]]:
        found = list_certificates(store.read(stored), (), EPOCH)
        return [(each.certificate.id, each.certificate.names[-1]) for each in found.listed]

    put = [("folder/a.pem", "a.example"), ("api/b.pem", "here.example"), ("folder/b.pem", "b.example")]
    assert order() == put
    assert order(kept("b.pem", issued["swarm"].pem))[1] == ("api/b.pem", "swarm.example")
    assert [each.source for each in store.read().usable].count(CertificateSource.API) == 1
