"""What TLS clients see of a proxy: certificates, protocols and answers, on every version of HAProxy."""

import re
import signal
import ssl
from pathlib import Path

import pytest
from roles.processes import eventually, plain
from tls.authorities import Authority, certificate_pem, key_pem
from tls.clients import SecureLoad, context, handshake, old_context, shown, status
from tls.conftest import MakeSite, Site


def reloads(site: Site) -> dict[str, int]:
    """Return how many reloads there were, by reason, less those that were none."""
    found = re.findall(
        r'^swarmgate_haproxy_reloads_total\{reason="(.+)"\} (\S+)$', site.proxy.get("/metrics").text, re.MULTILINE
    )
    return {reason: int(float(count)) for reason, count in found if float(count)}


def test_the_name_a_client_asks_for_decides(make_site: MakeSite, authority: Authority) -> None:
    """An exact name before a wildcard; a certificate is shown for each of its names; the first one to everybody else.

    The private key may stand before the certificate, or in a file of its own beside it.
    """
    first = authority.issue("first.example")
    shop = authority.issue("shop.example.com")
    wild = authority.issue("*.example.com")
    many = authority.issue("one.example.org", "two.example.org", common_name="third.example.org")
    site = make_site(
        {
            "a.pem": first,
            "shop.pem": key_pem(shop.key) + certificate_pem(shop.certificate),
            "wild.pem": certificate_pem(wild.certificate),
            "wild.key": key_pem(wild.key),
            "many.pem": certificate_pem(many.certificate),
            "many.pem.key": key_pem(many.key),
        }
    )

    assert shown(site.https, "shop.example.com") == shop.serial
    assert shown(site.https, "SHOP.example.com") == shop.serial
    assert shown(site.https, "other.example.com") == wild.serial
    assert shown(site.https, "a.b.example.com") == first.serial
    for name in ("one.example.org", "two.example.org", "third.example.org"):
        assert shown(site.https, name) == many.serial
    assert shown(site.https, "nobody.example") == first.serial
    assert shown(site.https) == first.serial
    assert status(site.https, "/web") == 200
    assert site.proxy.metric("swarmgate_certificates_rejected") == 0


def test_each_client_is_shown_the_kind_of_key_it_can(make_site: MakeSite, authority: Authority) -> None:
    """RSA and ECDSA side by side, for a name and by default."""
    ecdsa, rsa = authority.issue("shop.example"), authority.issue("shop.example", kind="rsa")
    site = make_site({"shop-ecdsa.pem": ecdsa, "shop-rsa.pem": rsa})

    assert shown(site.https, "shop.example") == ecdsa.serial
    assert shown(site.https, "shop.example", context(rsa_only=True)) == rsa.serial
    assert {each["problem"] for each in site.certificates().values()} == {None}


def test_the_preferred_certificate_is_the_default(make_site: MakeSite, authority: Authority) -> None:
    """It is shown to clients that name no host, and for names that several certificates have."""
    other, good, best = (authority.issue("shop.example", name) for name in ("a.example", "b.example", "c.example"))
    site = make_site(
        {"a.pem": other, "good-x.pem": good, "best.pem": best}, PREFERRED_CERTIFICATE="/certs/best.pem,good-*"
    )

    assert shown(site.https) == best.serial
    assert shown(site.https, "shop.example") == best.serial
    assert shown(site.https, "a.example") == other.serial
    assert site.certificates()["folder/a.pem"]["problem"] == "folder/best.pem goes before it for shop.example"


def test_without_a_certificate_there_is_tls_all_the_same(make_site: MakeSite, authority: Authority) -> None:
    """With one of the proxy's own, which stays the same and gives way to the first real one without a reload."""
    site = make_site({})
    own = shown(site.https)
    assert status(site.https, "/web") == 200
    assert (site.proxy.home / "state" / "self-signed.pem").stat().st_mode & 0o777 == 0o600

    real = authority.issue("shop.example")
    site.put("shop.pem", real)
    eventually(lambda: shown(site.https) == real.serial, "the real one is shown")
    (site.certs / "shop.pem").unlink()
    eventually(lambda: shown(site.https) == own, "it is the proxy's own again")
    assert reloads(site) == {}


def test_certificates_come_rotate_and_go_without_a_reload(make_site: MakeSite, authority: Authority) -> None:
    """No request is lost meanwhile, and the next controller finds files that say what runs."""
    site = make_site({"a.pem": authority.issue("a.example"), "b.pem": authority.issue("b.example")})
    with SecureLoad(site.https, "/web") as load:
        for name in ("a", "b", "new"):
            fresh = authority.issue(f"{name}.example", f"other-{name}.example")
            site.put(f"{name}.pem", fresh)
            eventually(lambda n=name, s=fresh.serial: shown(site.https, f"{n}.example") == s, f"{name} is shown")
            assert shown(site.https, f"other-{name}.example") == fresh.serial
        (site.certs / "b.pem").unlink()
        default = shown(site.https)
        eventually(lambda: shown(site.https, "b.example") == default, "the removed one is shown no more")
    assert load.errors == []
    assert load.answers.keys() == {200}
    assert reloads(site) == {}

    listed = (site.proxy.home / "state/haproxy/current/crt-list.txt").read_text().split()
    assert listed == ["certs/default.pem", "certs/folder-a.pem.pem", "certs/folder-new.pem.pem"]
    site.proxy.send(signal.SIGKILL)
    site.proxy.start()
    eventually(site.proxy.ready, "the next controller is ready")
    assert site.proxy.metric("swarmgate_reconcile_total", outcome="noop") == 1
    assert reloads(site) == {}


def test_broken_files_harm_nobody_and_are_told(make_site: MakeSite, authority: Authority) -> None:
    """An expired certificate is shown all the same, after all others; what HAProxy refuses is left out."""
    good, old = authority.issue("good.example"), authority.issue("old.example", days=-1)
    stranger = authority.issue("x.example")
    site = make_site(
        {
            "README": "nothing of use",
            "a-old.pem": old,
            "encrypted.pem": certificate_pem(stranger.certificate) + key_pem(stranger.key, b"secret"),
            "good.pem": good,
            "huge.pem": good.pem + "x" * 65536,
            "keyless.pem": certificate_pem(stranger.certificate),
            "mismatch.pem": certificate_pem(stranger.certificate) + key_pem(good.key),
            "torn.pem": good.pem.replace("MII", "xxx", 1),
        }
    )
    problems = {
        "folder/README": "holds no certificate in PEM form",
        "folder/a-old.pem": "expired on ",
        "folder/encrypted.pem": "holds a private key that is encrypted",
        "folder/huge.pem": "is larger than 64 KiB",
        "folder/keyless.pem": "holds no private key, and there is none beside it",
        "folder/mismatch.pem": "holds a private key that does not fit the certificate",
        "folder/torn.pem": "holds a certificate that cannot be read",
    }
    told = {name: each["problem"] for name, each in site.certificates().items() if each["problem"]}
    assert told.keys() == problems.keys()
    assert all(told[name].startswith(problem) for name, problem in problems.items())
    assert shown(site.https) == good.serial
    assert shown(site.https, "old.example") == old.serial
    assert site.proxy.metric("swarmgate_certificates_rejected") == 6
    expires = site.proxy.metric("swarmgate_certificate_not_after_timestamp_seconds", certificate="folder/good.pem")
    assert expires == good.certificate.not_valid_after_utc.timestamp()

    site.put("weak.pem", authority.issue("weak.example", kind="weak"))
    late = authority.issue("late.example")
    site.put("zlate.pem", late)
    eventually(lambda: shown(site.https, "late.example") == late.serial, "one good one more is shown")
    told_twice = [line for line in site.proxy.words().splitlines() if "folder/keyless.pem" in line]
    assert len(told_twice) == 1
    assert "PRIVATE KEY" not in site.proxy.words()


def test_protocols(make_site: MakeSite, authority: Authority) -> None:
    """TLS 1.2 at least, and HTTP/2 with clients that can."""
    site = make_site({"a.pem": authority.issue("a.example")})

    with pytest.raises(ssl.SSLError):
        handshake(site.https, client=old_context())
    assert handshake(site.https, client=context(alpn=("h2", "http/1.1")))[1] == "h2"
    assert handshake(site.https, client=context(alpn=("http/1.1",)))[1] == "http/1.1"


def test_http2_can_be_switched_off(make_site: MakeSite, authority: Authority) -> None:
    """By ``ENABLE_H2=false``."""
    site = make_site({"a.pem": authority.issue("a.example")}, ENABLE_H2="false")

    assert handshake(site.https, client=context(alpn=("h2", "http/1.1")))[1] == "http/1.1"


def test_client_certificates(make_site: MakeSite, authority: Authority, folder: Path, backend: int) -> None:
    """Only clients of our authority are let in where that is asked for, by TLS."""
    trusted, client = folder / "ca.pem", folder / "client.pem"
    trusted.write_text(authority.pem)
    client.write_text(authority.issue("ann").pem)
    services = {
        "web": plain(backend, "/web"),
        "mixed": plain(backend, "/unused") | {"verifyClientSsl": "true", "servicePath": "/guarded"},
    }
    site = make_site({"a.pem": authority.issue("a.example")}, services, CA_FILE=str(trusted))

    assert status(site.https, "/guarded") == 403
    assert site.proxy.status("/guarded") == 403
    assert status(site.https, "/guarded", context(certificate=client)) == 200
    assert status(site.https, "/web") == 200
    stranger = folder / "stranger.pem"
    stranger.write_text(Authority.new("Somebody else").issue("eve").pem)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        status(site.https, "/guarded", context(certificate=stranger))


def test_client_certificates_without_an_authority_let_nobody_in(
    make_site: MakeSite, authority: Authority, backend: int
) -> None:
    """And say so."""
    site = make_site({"a.pem": authority.issue("a.example")}, {"web": plain(backend, "/web", verifyClientSsl="true")})

    assert status(site.https, "/web") == 403
    assert site.proxy.condition("web", "ResolvedRefs")["reason"] == "ClientCaNotSet"


def test_a_service_brings_its_certificate_along(make_site: MakeSite, authority: Authority, backend: int) -> None:
    """It is shown as long as the service exists, without a reload; for a name that is taken it is not."""
    first, own = authority.issue("a.example"), authority.issue("own.example", "a.example")
    site = make_site({"a.pem": first})
    one_line = own.pem.strip().replace("\n", "\\n")
    web = plain(backend, "/web")
    site.services({"web": web | {"serviceCert": one_line}})

    eventually(lambda: shown(site.https, "own.example") == own.serial, "the service's certificate is shown")
    assert shown(site.https, "a.example") == first.serial
    told = eventually(lambda: site.proxy.condition("web", "Accepted").get("message"), "there is something to tell")
    assert "a.example" in told
    assert site.proxy.condition("web", "Accepted")["reason"] == "CertificateConflict"
    assert "PRIVATE KEY" not in site.proxy.get("/v1/services").text + site.proxy.words()

    site.services({"web": web | {"serviceCert": certificate_pem(own.certificate)}})
    eventually(lambda: site.proxy.condition("web", "Accepted")["reason"] == "CertificateInvalid", "it has no key")
    assert shown(site.https, "own.example") == first.serial
    site.services({"web": web})
    eventually(lambda: site.proxy.condition("web", "Accepted")["reason"] == "Accepted", "nothing is wrong")
    assert status(site.https, "/web") == 200
    assert reloads(site) == {}


def test_a_certificate_too_large_for_a_command_is_loaded(make_site: MakeSite, authority: Authority) -> None:
    """With a reload, which says why."""
    site = make_site({"a.pem": authority.issue("a.example")})
    large = authority.issue("large.example")
    chain = "".join(Authority.new(f"Authority {number}").pem for number in range(30))
    site.put("large.pem", large.pem + chain)

    eventually(lambda: shown(site.https, "large.example") == large.serial, "it is shown")
    eventually(lambda: reloads(site) == {"certificate": 1}, "the reload is counted")


def test_a_list_of_the_operators_own(make_site: MakeSite, authority: Authority, folder: Path) -> None:
    """Is used, and no other."""
    mine, ignored = authority.issue("mine.example"), authority.issue("a.example")
    (folder / "mine.pem").write_text(mine.pem)
    (folder / "list.txt").write_text(f"{folder}/mine.pem\n")
    site = make_site({"a.pem": ignored}, CRT_LIST_PATH=str(folder / "list.txt"))

    assert shown(site.https, "a.example") == mine.serial
    site.put("b.pem", authority.issue("b.example"))
    assert site.certificates() == {}

    fresh = authority.issue("mine.example")
    (folder / "mine.pem").write_text(fresh.pem)
    site.put("b.pem", authority.issue("b.example"))
    eventually(lambda: shown(site.https) == fresh.serial, "what it lists is loaded anew when it changes")
    eventually(lambda: reloads(site) == {"settings": 1}, "the reload is counted")
