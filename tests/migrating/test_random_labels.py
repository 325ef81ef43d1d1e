"""Random labels of every dialect: each is translated or named, and what is written has no error."""

import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.linting.findings import Severity
from controller.linting.lint import lint
from controller.migrating.migrate import Origin, migrate
from controller.migrating.translation import Fate
from models.settings import ProxySettings

DOMAINS = st.sampled_from(["a.example.com", "b.example.com", "*.example.com", "${DOMAIN}", "no domain", ""])
PATHS = st.sampled_from(["/", "/a", "/a/b", "/a,b", "a", "/${WHERE}", "/{id:[0-9]+}", "^/x.*$$"])
WORDS = st.sampled_from(
    ["true", "false", "", "x", "1", "80", "a b", "a,b", "'q'", "%[src]", "{{ x }}", "$$1", "${VAR}"]
)
MATCHERS = st.one_of(
    DOMAINS.map(lambda value: f"Host(`{value}`)"),
    DOMAINS.map(lambda value: f"HostRegexp(`{value}`)"),
    PATHS.map(lambda value: f"PathPrefix(`{value}`)"),
    PATHS.map(lambda value: f"Path(`{value}`)"),
    PATHS.map(lambda value: f"PathRegexp(`{value}`)"),
    st.sampled_from(["Method(`GET`)", "ClientIP(`10.0.0.0/8`)", "Header(`X`, `y`)", "Query(`a`, `b`)", "HostSNI(`*`)"]),
)
RULES = st.lists(st.tuples(st.sampled_from(["", "!"]), MATCHERS), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" && ", " || "]).map(lambda sign: sign.join(map("".join, parts)))
)
TRAEFIK = {
    "enable": WORDS,
    "swarm.network": WORDS,
    "docker.network": WORDS,
    "http.routers.r.rule": RULES,
    "http.routers.s.rule": RULES,
    "http.routers.r.middlewares": st.sampled_from(["m", "n", "m,n", "c", "m@file"]),
    "http.routers.s.middlewares": st.sampled_from(["m", "n", "c@docker"]),
    "http.routers.r.entrypoints": st.sampled_from(["web", "websecure", "web,websecure", "internal"]),
    "http.routers.r.priority": WORDS,
    "http.routers.r.tls": WORDS,
    "http.routers.r.tls.options": WORDS,
    "http.routers.s.service": st.sampled_from(["w", "x", "w@file"]),
    "http.services.w.loadbalancer.server.port": st.sampled_from(["80", "${PORT}", "none"]),
    "http.services.w.loadbalancer.server.scheme": st.sampled_from(["http", "https", "h2c"]),
    "http.services.w.loadbalancer.healthcheck.path": PATHS,
    "http.services.w.loadbalancer.sticky.cookie": WORDS,
    "http.services.w.loadbalancer.passhostheader": WORDS,
    "http.middlewares.m.stripprefix.prefixes": PATHS,
    "http.middlewares.m.stripprefixregex.regex": PATHS,
    "http.middlewares.n.addprefix.prefix": PATHS,
    "http.middlewares.n.replacepath.path": PATHS,
    "http.middlewares.n.replacepathregex.regex": st.sampled_from(["^/(.*)", "/a,b", "(", "/x:y"]),
    "http.middlewares.n.replacepathregex.replacement": st.sampled_from(["/$$1", "/${1}", "/b c", "/$$name"]),
    "http.middlewares.m.headers.customrequestheaders.X-A": WORDS,
    "http.middlewares.n.headers.customresponseheaders.X-B": WORDS,
    "http.middlewares.n.headers.stsseconds": WORDS,
    "http.middlewares.m.basicauth.users": st.sampled_from(["ann:$$6$$x", "ann:$$apr1$$x", "ann", "", "a b:c"]),
    "http.middlewares.n.basicauth.users": st.sampled_from(["bob:$$2y$$05$$x"]),
    "http.middlewares.m.ipallowlist.sourcerange": st.sampled_from(["10.0.0.0/8", "10.0.0.1, 10.0.0.2", "none", ""]),
    "http.middlewares.m.ratelimit.average": WORDS,
    "http.middlewares.m.compress": WORDS,
    "http.middlewares.n.redirectscheme.scheme": st.sampled_from(["https", "http"]),
    "http.middlewares.n.redirectregex.regex": st.just("^https?://a.example.com/(.*)"),
    "http.middlewares.n.redirectregex.replacement": st.just("https://b.example.com/$${1}"),
    "http.middlewares.c.chain.middlewares": st.sampled_from(["m,n", "c", "c,m"]),
    "http.middlewares.n.forwardauth.address": WORDS,
    "tcp.routers.t.rule": st.sampled_from(
        ["HostSNI(`*`)", "HostSNI(`a.example.com`)", "HostSNI(`a`) && ClientIP(`::1`)"]
    ),
    "tcp.routers.t.tls.passthrough": WORDS,
    "tcp.services.t.loadbalancer.server.port": st.sampled_from(["5432", "0"]),
    "udp.routers.u.service": WORDS,
    "unknown": WORDS,
}
EASYHAPROXY = {
    f"{definition}.{option}": values
    for definition in ("one", "two")
    for option, values in {
        "host": st.lists(DOMAINS, max_size=2).map(",".join),
        "port": st.sampled_from(["80", "443", "8080", "x"]),
        "localport": st.sampled_from(["80", "0", "${PORT}"]),
        "mode": st.sampled_from(["http", "tcp"]),
        "path": PATHS,
        "redirect": st.dictionaries(DOMAINS, DOMAINS.map(lambda value: f"https://{value}"), max_size=2).map(json.dumps),
        "redirect_ssl": WORDS,
        "ssl": WORDS,
        "sslcert": WORDS,
        "balance": st.sampled_from(["roundrobin", "leastconn", "uri"]),
        "health-check": WORDS,
        "plugins": WORDS,
        "proto": WORDS,
        "unknown": WORDS,
    }.items()
}
UPSTREAMS = st.sampled_from(
    ["{{upstreams}}", "{{upstreams 8080}}", "/a/* {{upstreams https 8443}}", "web:80", "@m {{upstreams}}"]
)
CADDY = {
    f"{site}{option}": values
    for site in ("caddy", "caddy_1")
    for option, values in {
        "": st.one_of(
            st.lists(DOMAINS, max_size=2).map(", ".join),
            st.sampled_from(["(snippet)", ":80", "http://a.example.com:81"]),
        ),
        ".reverse_proxy": UPSTREAMS,
        ".reverse_proxy.header_up": st.sampled_from(["X-A b", "-X-A", "+X-A b", "X {host}"]),
        ".reverse_proxy.health_uri": PATHS,
        ".0_reverse_proxy": UPSTREAMS,
        ".handle_path": PATHS,
        ".handle_path.reverse_proxy": UPSTREAMS,
        ".basicauth.ann": st.sampled_from(["$$2a$$14$$x", "x"]),
        ".basicauth": PATHS,
        ".redir": st.sampled_from(["https://a.example.com{uri}", "/x permanent"]),
        ".encode": WORDS,
        ".header": st.sampled_from(["X-A b", "-X-A", "X-A"]),
        ".uri": st.sampled_from(["strip_prefix /a", "replace a b"]),
        ".rewrite": st.sampled_from(["* /a{uri}", "/b"]),
        ".import": WORDS,
        ".log": WORDS,
        ".tls": WORDS,
        ".unknown.inner": WORDS,
    }.items()
} | {"caddy_ingress_network": WORDS, "caddy_other": WORDS}
DIALECTS = {
    Origin.TRAEFIK: {f"traefik.{key}": values for key, values in TRAEFIK.items()},
    Origin.EASYHAPROXY: {f"easyhaproxy.{key}": values for key, values in EASYHAPROXY.items()},
    Origin.CADDY: CADDY,
}
NEEDED = {
    Origin.TRAEFIK: {"traefik.http.routers.r.rule", "traefik.http.services.w.loadbalancer.server.port"},
    Origin.EASYHAPROXY: {"easyhaproxy.one.host", "easyhaproxy.one.localport"},
    Origin.CADDY: {"caddy", "caddy.reverse_proxy"},
}
"""Labels without which there is no route."""
SERVICES = ("one", "two")


def _without(known: dict[str, st.SearchStrategy[str]], keys: set[str]) -> dict[str, st.SearchStrategy[str]]:
    return {key: values for key, values in known.items() if key not in keys}


@pytest.mark.parametrize("origin", Origin)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_each_label_is_translated_or_named_and_nothing_wrong_is_written(origin: Origin, data: st.DataObject) -> None:
    replace = data.draw(st.booleans(), label="replace")
    known, needed = DIALECTS[origin], NEEDED[origin]
    labels = st.one_of(
        st.fixed_dictionaries({}, optional=known),
        st.fixed_dictionaries({key: known[key] for key in needed}, optional=_without(known, needed)),
    )
    services = {name: data.draw(labels, label=name) for name in SERVICES}
    text = yaml.safe_dump({"services": {name: {"deploy": {"labels": each}} for name, each in services.items()}})

    migrated = migrate(text, replace=replace)

    for name, given_labels in services.items():
        outcomes = migrated.translations[name].outcomes if given_labels else ()
        assert sorted(outcome.label for outcome in outcomes) == sorted(given_labels)
        assert all(outcome.text for outcome in outcomes)
        after = yaml.safe_load(migrated.text)["services"][name]["deploy"]["labels"]
        kept = {each.label for each in outcomes if not replace or each.fate is Fate.UNTRANSLATED}
        assert kept <= after.keys()
    environment = {"DOMAIN": "var.example.com", "WHERE": "var", "PORT": "81", "VAR": "1"}
    found = lint([("stack.yml", migrated.text)], ProxySettings(), environment)
    assert [each.message for each in found if each.severity is Severity.ERROR] == []
