"""What is said of a request: who answers, what is done on the way, what came close, and what cannot be known."""

from collections.abc import Mapping

import pytest
from builders import SURROUNDINGS, desired_of, service, snapshot

from controller.desired import build_desired
from controller.endpoints import Surroundings
from controller.judging import judge
from controller.templates import TemplateFile
from models.explaining.asked import asked_of
from models.explaining.explain import explain
from models.explaining.explanation import Answer, Explanation, Lost, StepKind
from models.settings import ProxySettings

Worlds = Mapping[str, Mapping[str, str]]
SHOP: Worlds = {"shop": {"servicePath": "/shop", "serviceDomain": "shop.test", "port": "80"}}


def explained(services: Worlds, url: str, *headers: str, method: str = "GET", source: str | None = None) -> Explanation:
    """Explain a request to services, of which those named later are younger."""
    world = snapshot(*(service(name, labels, younger=age) for age, (name, labels) in enumerate(services.items())))
    asked = asked_of(url, headers=headers, method=method, source=source)
    return explain(desired_of(world), ProxySettings(), asked)


def path(value: str, **more: str) -> dict[str, str]:
    return {"servicePath": value, "port": "80", **more}


@pytest.mark.parametrize(
    ("rival", "other", "url", "reason", "words"),
    [
        pytest.param(
            path("/a"), {"first": path("/a")}, "http://x/a", Lost.CONFLICT, "service first is older", id="older"
        ),
        pytest.param(
            path("/a/b"), {"first": path("/", priority="1")}, "http://x/a/b", Lost.PRIORITY, "0", id="priority"
        ),
        pytest.param(
            path("/a", isDefaultBackend="true"),
            {"first": path("/b")},
            "http://x/b",
            Lost.PRIORITY,
            "what nobody else answers",
            id="default",
        ),
        pytest.param(
            path("/a/b"),
            {"first": path("/a", serviceDomain="x")},
            "http://x/a/b",
            Lost.DOMAIN,
            "x is more",
            id="domain",
        ),
        pytest.param(path("/a"), {"first": path("/a/b")}, "http://x/a/b", Lost.PATH, "/a/b is more", id="path"),
        pytest.param(
            path("/a"), {"first": path("/a", srcPort="80")}, "http://x/a", Lost.TESTS, "1 conditions", id="fewer tests"
        ),
        pytest.param(
            path("/a", serviceHeader="X-V:1"),
            {"first": path("/a", serviceHeader="X-W:1")},
            "http://x/a",
            Lost.NAME,
            "rival comes after first",
            id="name",
        ),
        pytest.param(
            path("/a", serviceHeader="X-V:2,X-W:1"),
            {"first": path("/a")},
            "http://x/a",
            Lost.TEST,
            "only if the header X-V is 2",
            id="header",
        ),
        pytest.param(
            path("/a", userAgent="curl"), {}, "http://x/a", Lost.TEST, "only if User-Agent contains curl", id="agent"
        ),
        pytest.param(
            path("/a", servicePathExclude="/a/b"), {}, "http://x/a/b", Lost.TEST, "the path does not", id="exclude"
        ),
        pytest.param(path("/a", srcPort="443"), {}, "http://x/a", Lost.TEST, "only if the port is 443", id="port"),
        pytest.param(path("/demo"), {}, "http://x/Demo", Lost.OTHER_PATH, "letter case", id="letter case"),
        pytest.param(path("/products"), {}, "http://x/prodcuts/1", Lost.OTHER_PATH, "/products", id="misspelt"),
        pytest.param(
            path("/a", pathType="path"), {}, "http://x/a/b", Lost.OTHER_PATH, "for /a alone", id="a path alone"
        ),
        pytest.param(
            path("^/v[0-9]", pathType="path_reg", serviceDomain="x"),
            {},
            "http://x/vv",
            Lost.OTHER_PATH,
            "the path matches ^/v[0-9]",
            id="expression",
        ),
        pytest.param(
            path("/a", serviceDomain="b.test"), {}, "http://www.b.test/a", Lost.OTHER_DOMAIN, "b.test", id="www"
        ),
        pytest.param(path("/a", serviceDomain="b.test"), {}, "/a", Lost.OTHER_DOMAIN, "no host", id="no host"),
        pytest.param({"port": "x"}, {}, "http://x/a", Lost.REFUSED, "com.df.port", id="refused labels"),
    ],
)
def test_routes_that_came_close(rival: dict[str, str], other: Worlds, url: str, reason: Lost, words: str) -> None:
    """Each is told with the reason why it does not answer."""
    found = explained({**other, "rival": rival}, url, "X-V: 1", "X-W: 1")
    assert found.service == (next(iter(other)) if other else None)
    (told,) = [each for each in found.rivals if each.service == "rival"]
    assert told.reason is reason
    assert words in told.message


def test_what_has_nothing_to_do_with_it_is_not_told() -> None:
    """Of many routes only those that came close."""
    others = {f"s{number}": path(f"/other{number}", serviceDomain=f"d{number}.test") for number in range(50)}
    found = explained({**SHOP, **others}, "http://shop.test/shop/1")
    assert (found.service, found.backend, found.route) == ("shop", "shop-be80_0", "shop.test/shop")
    assert found.rivals == ()
    assert found.doubts == ()


@pytest.mark.parametrize(
    ("labels", "asked", "kind", "label", "status"),
    [
        ({"deniedSrc": "10.0.0.0/8"}, {"source": "10.1.1.1"}, StepKind.REFUSED, "deniedSrc", 403),
        ({"allowedSrc": "10.0.0.0/8"}, {"source": "192.0.2.1"}, StepKind.REFUSED, "allowedSrc", 403),
        ({"allowedSrc": "10.0.0.0/8"}, {"source": "::ffff:10.0.0.1"}, StepKind.SENT, "", None),
        ({"allowedSrc": "10.0.0.0/8"}, {}, StepKind.ASKED, "allowedSrc", None),
        ({"denyHttp": "true"}, {}, StepKind.REFUSED, "denyHttp", 403),
        ({"allowedMethods": "GET"}, {"method": "PUT"}, StepKind.REFUSED, "allowedMethods", 403),
        ({"httpsOnly": "true", "httpsRedirectCode": "308"}, {}, StepKind.REDIRECTED, "httpsOnly", 308),
        ({"users": "ann:secret"}, {}, StepKind.ASKED, "users", 401),
        ({"rateLimit": "5/m"}, {}, StepKind.ASKED, "rateLimit", None),
        ({"verifyClientSsl": "true"}, {}, StepKind.REFUSED, "verifyClientSsl", 403),
        ({"reqPathSearchReplace": "/shop,/x"}, {}, StepKind.CHANGED, "reqPathSearchReplace", None),
        ({"delReqHeader": "Cookie"}, {}, StepKind.CHANGED, "delReqHeader", None),
        ({"timeoutServer": "5"}, {}, StepKind.CHANGED, "timeoutServer", None),
        ({"backendExtra": "http-request deny"}, {}, StepKind.ASKED, "backendExtra", None),
        ({}, {}, StepKind.SENT, "", None),
    ],
)
def test_what_is_done_on_the_way(
    labels: dict[str, str], asked: dict[str, str], kind: StepKind, label: str, status: int | None
) -> None:
    """By which label, and whether it ends there."""
    found = explained({"shop": path("/shop", **labels)}, "http://x/shop/1", **asked)
    step = found.steps[0]
    assert (step.kind, step.label.removeprefix("com.df."), step.status) == (kind, label, status)
    assert found.status == status
    assert (found.steps[-1].kind is StepKind.SENT) == (status is None)


def test_nothing_secret_is_told() -> None:
    """Neither of labels nor of the request."""
    labels = {"users": "ann:sesame", "setReqHeader": "X-Key sesame", "addReqHeader": "X-Other sesame if { ssl_fc }"}
    found = explained(
        {"shop": path("/shop", **labels)}, "http://ann:sesame@x/shop", "Authorization: sesame", "X: sesame"
    )
    assert found.service == "shop"
    assert "sesame" not in found.model_dump_json()


def test_a_shared_route_has_parts() -> None:
    """In percent of the requests; who has most is looked at further."""
    labels = {name: path("/a", trafficGroup="a", weight=weight) for name, weight in (("one", "90"), ("two", "10"))}
    found = explained(labels, "http://x/a")
    assert [(each.service, each.percent) for each in found.shares] == [("one", 90), ("two", 10)]
    assert found.service == "one"
    assert found.rivals == ()


def test_connections_that_are_passed_on() -> None:
    """By their port, or by the name that a client asks for; the names of others are not for the HTTP frontend."""
    world: Worlds = {
        "db": {"reqMode": "tcp", "srcPort": "6379", "port": "6379"},
        "vault": {"reqMode": "sni", "srcPort": "8443", "serviceDomain": "vault.test", "port": "443"},
    }
    asked = {url: explained(world, url) for url in ("http://x:6379/", "https://vault.test:8443/", "https://x:8443/")}
    assert [(each.answer, each.service) for each in asked.values()] == [
        (Answer.CONNECTION, "db"),
        (Answer.CONNECTION, "vault"),
        (Answer.NOBODY, None),
    ]
    closed: Worlds = {"db": {**world["db"], "deniedSrc": "10.0.0.0/8"}}
    found = explained(closed, "http://x:6379/", source="10.0.0.1")
    assert [(step.kind, step.status) for step in found.steps] == [(StepKind.REFUSED, None)]


def test_what_the_proxy_answers_itself() -> None:
    """Former domains, paths that have no normal form, and the page of statistics."""
    world = {"shop": path("/shop", serviceDomain="new.test", redirectFromDomain="old.test")}
    found = explained(world, "http://old.test/x?y=1")
    assert (found.answer, found.status, found.location) == (Answer.PROXY, 301, "http://new.test/x?y=1")
    found = explained(world, "http://new.test/shop/%2e%2e/x")
    assert (found.answer, found.status) == (Answer.PROXY, 400)
    found = explain(
        desired_of(snapshot()), ProxySettings(stats_user="ann", stats_pass="x"), asked_of("http://x/admin?stats")
    )
    assert (found.answer, found.status) == (Answer.PROXY, None)


def test_what_only_haproxy_can_tell_is_doubtful() -> None:
    """Lines of the operator, routes of templates, and expressions that take too long or that Python has not."""
    settings = ProxySettings(extra_frontend="http-request deny if { path /x }")
    asked = asked_of("http://x:9000/shop")
    found = explain(desired_of(snapshot(service("shop"))), settings, asked)
    assert [word in doubt for word, doubt in zip(("port 9000", "EXTRA_FRONTEND"), found.doubts, strict=True)] == [
        True
    ] * 2

    templates = {"fe.tmpl": TemplateFile("use_backend {{ backend }} if { path /x }")}
    world = snapshot(service("own", {"port": "80", "templateFePath": "/cfg/tmpl/fe.tmpl"}))
    judged = judge(world, settings, forms={}, rejected={})
    around = Surroundings(networks=SURROUNDINGS.networks, templates=templates)
    found = explain(build_desired(judged, ProxySettings(), around), ProxySettings(), asked_of("http://x/"))
    assert found.answer is Answer.UNKNOWN, found
    assert "templateFePath" in found.doubts[0]

    slow = {"slow": path("^/(a|aa)+$", pathType="path_reg", priority="1"), "shop": path("/a")}
    found = explained(slow, f"http://x/{'a' * 60}!")
    assert found.service == "shop"
    assert found.doubts


@pytest.mark.parametrize(
    ("url", "more", "words"),
    [
        ("ftp://x/", {}, "begins with 'ftp'"),
        ("http://x:y/", {}, "port"),
        ("http://[::1/", {}, "IPv6"),
        ("http://x/" + "a" * 9000, {}, "longer"),
        ("http://x/", {"method": "GET /"}, "method"),
        ("http://x/", {"headers": ["Secret"]}, "Name: value"),
        ("http://x/", {"headers": ["X: y"] * 21}, "more than 20"),
        ("http://x/", {"source": "x"}, "no address"),
    ],
)
def test_what_is_no_request_is_refused(url: str, more: dict[str, str], words: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=words):
        asked_of(url, **more)


def test_what_is_wrong_with_the_service_is_told() -> None:
    found = explained({"shop": {**path("/shop"), "allowedSrc": "nowhere"}}, "http://x/shop")
    assert (found.service, found.status) == ("shop", 503)
    assert any("com.df.allowedSrc='nowhere'" in problem for problem in found.problems)
    assert any(problem.startswith("FailedClosed: ") for problem in found.problems)


def test_nothing_is_wrong_with_most() -> None:
    assert explained(SHOP, "http://shop.test/shop").problems == ()
