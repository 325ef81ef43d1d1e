"""Certificates from the desired state to what is said to HAProxy."""

from datetime import UTC, datetime

import pytest
from builders import desired_of, observed_of, rendered_of, service, snapshot
from tls.authorities import Authority, Issued

from controller.changes import (
    CertificateAdded,
    CertificateRemoved,
    CertificateRotated,
    Change,
    MapChanged,
    Plan,
    ReloadReason,
)
from controller.endpoints import Surroundings
from controller.haproxy.commands import steps
from controller.haproxy.validate import rejected_certificates
from controller.pem import read_certificate, split_pem
from controller.plan import CERTIFICATE_LIMIT, make_plan
from models.certificates import DEFAULT_FILE, Certificate, CertificateFiles, CertificateSource
from models.settings import ProxySettings
from render import records
from render.files import Rendered

NOW = datetime.now(UTC)
A, B = "certs/folder-a.pem", "certs/folder-b.pem"
LIST = "# crt-list.txt\ncerts/default.pem:1\ncerts/folder-a.pem:2 a.example\ncerts/folder-a.pem:5\n"


def read(name: str, issued: Issued, source: CertificateSource = CertificateSource.FOLDER) -> Certificate:
    """Return a certificate as it was found."""
    return read_certificate(name, source, split_pem(issued.pem))


def files(*usable: Certificate) -> Rendered:
    """Return the files for a world with these certificates."""
    found = CertificateFiles(usable=usable)
    return rendered_of(snapshot(), surroundings=Surroundings(certificates=found, now=NOW))


def test_what_changes_is_said_and_nothing_else(authority: Authority) -> None:
    """The record follows what was added or rotated, and what is removed goes last."""
    a, b = read("a", authority.issue("a.example")), read("b", authority.issue("b.example"))
    both = files(a, b)
    assert make_plan(observed_of(both), both) == Plan()

    rotated = read("b", authority.issue("b.example"))
    wanted = files(a, rotated)
    record = {B: wanted.maps[records.CERTIFICATES][B]}
    assert make_plan(observed_of(both), wanted).changes == (
        CertificateRotated(B, rotated.pem),
        MapChanged(records.CERTIFICATES, record),
    )
    assert make_plan(observed_of(both), files(a)).changes == (
        CertificateRemoved(B),
        MapChanged(records.CERTIFICATES, {}, (B,)),
    )
    assert make_plan(observed_of(files(a)), both).changes[0] == CertificateAdded(B, b.pem)


def test_another_default_is_a_rotation(authority: Authority) -> None:
    """Of the file that is always first."""
    a, b = read("a", authority.issue("a.example")), read("b", authority.issue("b.example"))
    changes = make_plan(observed_of(files(b)), files(a, b)).changes

    assert CertificateRotated(DEFAULT_FILE, a.pem) in changes
    assert CertificateAdded(A, a.pem) in changes


def test_what_no_command_can_say_is_reloaded(authority: Authority) -> None:
    """Too large a certificate, and one that is shown for other names than before."""
    a, b = read("a", authority.issue("a.example")), read("b", authority.issue("a.example", "b.example"))
    assert make_plan(observed_of(files(b)), files(a, b)).reload_reasons == (ReloadReason.CERTIFICATE,)

    large = read("a", authority.issue("a.example"))
    large = Certificate(
        large.name, large.source, large.pem + "x" * CERTIFICATE_LIMIT, *(("a.example",), NOW, NOW, "rsa")
    )
    assert make_plan(observed_of(files(a)), files(large)).reload_reasons == (ReloadReason.CERTIFICATE,)


def test_without_a_tls_port_there_are_no_certificates(authority: Authority) -> None:
    """Nothing could be told to HAProxy, which has no list then."""
    found = Surroundings(certificates=CertificateFiles(usable=(read("a", authority.issue("a.example")),)))
    rendered = rendered_of(snapshot(), surroundings=found, settings=ProxySettings(default_ports="80"))
    assert rendered.certificates == rendered.maps[records.CERTIFICATES] == {}


def test_the_older_service_keeps_a_name(authority: Authority) -> None:
    """The younger one is told who has it; the same certificate twice is no conflict."""
    mine, other = authority.issue("a.example").pem, authority.issue("a.example").pem
    labels = {"servicePath": "/x", "port": "80"}
    world = snapshot(
        service("old", labels | {"serviceCert": mine, "servicePath": "/old"}),
        service("same", labels | {"serviceCert": mine, "servicePath": "/same"}, younger=1),
        service("young", labels | {"serviceCert": other, "servicePath": "/young"}, younger=2),
    )
    desired = desired_of(world, surroundings=Surroundings(now=NOW))
    reasons = {name: facts[0].reason.value for name, facts in desired.conditions.items()}
    assert reasons == {"old": "Accepted", "same": "Accepted", "young": "CertificateConflict"}
    assert [each.certificate.name for each in desired.certificates.listed] == ["old"]


def test_expired_certificates_come_last(authority: Authority) -> None:
    """They are shown where there is nothing better."""
    old, good = read("a", authority.issue("a.example", days=-1)), read("b", authority.issue("a.example"))
    rendered = files(old, good)
    assert rendered.certificates[DEFAULT_FILE].pem == good.pem
    assert list(rendered.certificates) == [DEFAULT_FILE, B]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            CertificateAdded(B, "pem\n\nmore\n", ("b.example", "*.b.example")),
            [
                [
                    f"new ssl cert {B}",
                    f"set ssl cert {B} <<\npem\nmore",
                    f"commit ssl cert {B}",
                    "show ssl crt-list -n crt-list.txt",
                ],
                [f"add ssl crt-list crt-list.txt <<\n{B} b.example *.b.example"],
            ],
            id="add",
        ),
        pytest.param(
            CertificateAdded(A, "pem"),
            [
                [
                    f"new ssl cert {A}",
                    f"set ssl cert {A} <<\npem",
                    f"commit ssl cert {A}",
                    "show ssl crt-list -n crt-list.txt",
                ]
            ],
            id="add what is listed already",
        ),
        pytest.param(
            CertificateRotated(A, "pem"), [[f"set ssl cert {A} <<\npem", f"commit ssl cert {A}"]], id="rotate"
        ),
        pytest.param(
            CertificateRemoved(A),
            [
                ["show ssl crt-list -n crt-list.txt"],
                [
                    f"del ssl crt-list crt-list.txt {A}:2",
                    f"del ssl crt-list crt-list.txt {A}:5",
                    f"del ssl cert {A}",
                ],
            ],
            id="remove",
        ),
    ],
)
def test_what_is_said(change: Change, said: list[list[str]]) -> None:
    """A certificate is put into the list once, and taken out of it wherever it is."""
    conversation, heard = steps(change), []
    turn = next(conversation, None)
    while turn is not None:
        heard.append([each.text + ("" if each.payload is None else f"\n{each.payload}") for each in turn])
        try:
            turn = conversation.send([LIST if "show" in each.text else "" for each in turn])
        except StopIteration:
            turn = None
    assert heard == said
    assert "pem" not in repr(change).replace(".pem", "")


def test_the_certificate_that_is_refused_is_found_in_the_words() -> None:
    """In one line or in the next one."""
    words = (
        "[ALERT] (1) : config : parsing [haproxy.cfg:14] : 'bind *:443' in section 'frontend' : 'crt-list' : error "
        "processing line 2 in file 'crt-list.txt' : unable to load SSL certificate into SSL Context "
        "'certs/folder-a.pem': ee key too small."
    )
    assert rejected_certificates(words) == {
        A: "unable to load SSL certificate into SSL Context 'certs/folder-a.pem': ee key too small."
    }
    assert rejected_certificates("[ALERT] x : No Private Key found in 'certs/folder-b.pem.key'.").keys() == {B}
    assert rejected_certificates("[ALERT] nothing of that") == {}
