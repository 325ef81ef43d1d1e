"""A template that is of no use costs its service only, and not even that while it is known what it said before."""

from dataclasses import replace

import pytest
from builders import SURROUNDINGS, condition, desired_of, service, snapshot

from controller.desired import build_desired
from controller.judging import judge
from controller.templates import TemplateFile
from models.proxy import Desired, TemplateTexts
from models.settings import ProxySettings
from models.snapshot import SwarmService

ROUTES = "use_backend {{ backend }} if { path /a }"
LINES = "http-request deny if { path /b }"
GOOD = {"fe": ROUTES, "be": LINES}
LABELS = {"port": "80", "templateFePath": "fe", "templateBePath": "be"}
PLAIN = service("plain", younger=9)


def desired(
    files: dict[str, str], *services: SwarmService, templates: dict[str, TemplateTexts] | None = None
) -> Desired:
    """Build what is desired of services when these files are there, after these texts were in force."""
    surroundings = replace(SURROUNDINGS, templates={name: TemplateFile(text) for name, text in files.items()})
    settings = ProxySettings()
    judged = judge(snapshot(*services), settings, forms={}, rejected={})
    return build_desired(judged, settings, surroundings, templates=templates or {})


def made(state: Desired) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return the routes and lines of the service ``web``, and whether it is closed."""
    (backend,) = (each for each in state.backends if each.service == "web")
    return tuple(rule for own in state.own_routes for rule in own.rules), backend.template, backend.closed


WEB = service("web", LABELS)
IN_FORCE = made(desired(GOOD, WEB))


def test_templates_make_routes_and_lines() -> None:
    """And these are what is to go back to."""
    state = desired(GOOD, WEB, PLAIN)
    assert made(state) == (
        ("use_backend %[str(web-be80_0)] if { path -n /a }",),
        ("http-request deny if { path -n /b }",),
        False,
    )
    assert state.templates == {"id-web": TemplateTexts(ROUTES, LINES)}
    assert state.routing.prefixes == {"/plain": "plain-be8080_0"}
    assert {fact.status for facts in state.conditions.values() for fact in facts} == {"True"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param({}, "is not there", id="gone"),
        pytest.param(GOOD | {"fe": "bind :1", "be": "mode tcp"}, "is refused: line 1 begins with", id="refused"),
        pytest.param({"fe": "{{ x }}", "be": "{{ x }}"}, "'x' is undefined", id="not filled in"),
        pytest.param({"fe": "{% if %}", "be": "{% if %}"}, "cannot be read", id="broken"),
    ],
)
def test_what_was_in_force_stays_so(files: dict[str, str], problem: str) -> None:
    """The service is told what is wrong, and nobody else is."""
    before = desired(GOOD, WEB, PLAIN)
    after = desired(files, WEB, PLAIN, templates=dict(before.templates))
    assert made(after) == IN_FORCE
    assert after.backends == before.backends
    fact = condition(after, "web", "ResolvedRefs")
    assert (fact.status, fact.reason) == ("False", "TemplateNotUsable")
    assert problem in fact.message
    assert fact.message.endswith("what it said before stays in force")
    assert after.conditions["plain"] == before.conditions["plain"]
    assert after.templates == before.templates


def test_without_anything_to_go_back_to_it_has_no_route_and_is_closed() -> None:
    """The lines may have been there to keep somebody out."""
    assert made(desired({}, WEB)) == ((), (), True)
    assert made(desired({"fe": ROUTES}, WEB)) == (IN_FORCE[0], (), True)
    assert made(desired({"be": LINES}, WEB)) == ((), IN_FORCE[1], False)


def test_a_text_of_before_is_filled_in_anew() -> None:
    """So it is about the service as it is now."""
    before = desired(GOOD, WEB)
    moved = service("web", LABELS | {"port": "81"})
    assert made(desired({}, moved, templates=dict(before.templates)))[0] == (
        "use_backend %[str(web-be81_0)] if { path -n /a }",
    )


def test_names_of_acls_are_the_services_own() -> None:
    """Two services may use the same ones."""
    files = {"fe": "acl mine path /{{ serviceName }}\nuse_backend {{ backend }} if mine"}
    services = (service(name, {"port": "80", "templateFePath": "fe"}) for name in ("one", "two"))
    assert [(own.acls, own.rules) for own in desired(files, *services).own_routes] == [
        ((f"acl {name}:mine path -n /{name}",), (f"use_backend %[str({name}-be80_0)] if {name}:mine",))
        for name in ("one", "two")
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("use_backend plain-be8080_0 if TRUE", "those of this service are web-be80_0"),
        ("use_backend %[path] if TRUE", "those of this service are"),
        ("use_backend web-be80_0", "needs 'if' or 'unless'"),
        ("use_backend web-be80_0 if", "no condition"),
        ("use_backend web-be80_0 if mine", "'mine', which is not defined"),
        ("use_backend web-be80_0 if { path,set-var(txn.route) -m found }", "'set-var', which cannot be used here"),
        ("use_backend web-be80_0 if { var(txn.route) -m found }", "'var', which cannot be used here"),
        ("use_backend web-be80_0 if { env(HOME) -m found }", "'env'"),
        ("use_backend web-be80_0 if { src -f /run/secrets/x }", "'-f'"),
        ("use_backend web-be80_0 if { src,map(maps/x.map) x }", "'map'"),
        ("use_backend web-be80_0 if { req.body -m sub x }", "cannot be used here"),
        ("use_backend web-be80_0 if { sc0_conn_rate gt 1 }", "counted for all"),
        ("acl x path,concat(,txn.route) -m found", "'concat'"),
        ("acl x path -u 1 /", "'-u'"),
        ("acl TRUE path /", "HAProxy has already"),
        ("acl a:b path /", "lacks the name"),
        ("acl x", "empty test"),
        ("http-request deny", "com.df.templateBePath"),
        ("default_backend web-be80_0", "com.df.isDefaultBackend"),
        ("frontend x", "neither 'acl' nor 'use_backend'"),
        ("backend x", "neither 'acl' nor 'use_backend'"),
        ("SECRET=1", "begins with neither 'acl' nor 'use_backend'"),
    ],
)
def test_routes_that_are_refused(line: str, why: str) -> None:
    """The frontend is everybody's."""
    state = desired(GOOD | {"fe": f"{line}\n{ROUTES}"}, WEB)
    message = condition(state, "web", "ResolvedRefs").message
    assert why in message
    assert "SECRET" not in message
    assert state.own_routes == ()


def test_a_template_without_routes_is_refused() -> None:
    """A service that nothing leads to is a mistake."""
    assert "leads nowhere" in condition(desired(GOOD | {"fe": "acl x path /"}, WEB), "web", "ResolvedRefs").message


def test_a_template_cannot_be_wider_than_a_label() -> None:
    """It has the same rules, and there is no way to bring more lines of it."""
    long = "\n".join([ROUTES] * 201)
    assert "more than 200 lines" in condition(desired(GOOD | {"fe": long}, WEB), "web", "ResolvedRefs").message


def test_a_service_without_templates_has_nothing_to_do_with_files() -> None:
    """Whatever these are."""
    assert desired({"fe": "bind"}, PLAIN).conditions == desired_of(snapshot(PLAIN)).conditions
