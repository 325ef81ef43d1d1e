"""Random worlds: plausible services that overlap, some of them wrong."""

from builders import service, snapshot
from hypothesis import strategies as st

from models.snapshot import Snapshot, SwarmService

_PATHS = st.sampled_from(["/", "/a", "/a/b", "/b,/c", "/.well-known/acme-challenge/x", "broken"])
_DOMAINS = st.sampled_from(["x.com", "*.x.com", "*x.com", "y.org,z.org", "*.a.b.x.com", "*"])
_LABELS = st.fixed_dictionaries(
    {"servicePath": _PATHS, "port": st.sampled_from(["80", "8080"])},
    optional={
        "serviceDomain": _DOMAINS,
        "users": st.sampled_from(["ann:a", "bob:b,carl:c", "x'", "nobody"]),
        "reqPathSearchReplace": st.sampled_from(["/a,/b", "^/x(.*)$,/\\1", "broken"]),
        "aclName": st.sampled_from(["one", "two"]),
        "port.1": st.sampled_from(["81", "82"]),
        "servicePath.2": _PATHS,
        "bogus": st.just("x"),
    },
)
_TCP = st.fixed_dictionaries(
    {"reqMode": st.just("tcp"), "srcPort": st.sampled_from(["6379", "5432", "80"]), "port": st.just("6379")}
)
_NAMES = st.one_of(
    st.fixed_dictionaries({"serviceDomain": _DOMAINS}),
    st.fixed_dictionaries({"servicePath": st.just("^a,^b"), "pathType": st.just("req_ssl_sni -i -m reg")}),
    st.fixed_dictionaries(
        {"servicePath": st.just("x.com"), "pathType": st.sampled_from(["req.ssl_sni -m end", "path"])}
    ),
    st.just({}),
)
_SNI = st.builds(
    lambda names, port: names | port,
    _NAMES,
    st.fixed_dictionaries(
        {"reqMode": st.just("sni"), "port": st.just("443")},
        optional={"srcPort": st.sampled_from(["6379", "8443", "80"]), "clitcpka": st.just("true")},
    ),
)


def services(name: str, labels: st.SearchStrategy[dict[str, str]] | None = None) -> st.SearchStrategy[SwarmService]:
    """Return services of this name."""
    return st.builds(
        service,
        st.just(name),
        st.one_of(_LABELS, _LABELS, _LABELS, _TCP, _SNI) if labels is None else labels,
        tasks=st.integers(0, 3),
        endpoint_mode=st.sampled_from(["vip", "dnsrr"]),
        vips=st.sampled_from([["10.0.1.10/24"], ["10.0.1.11/24"], ["10.9.9.9/24"]]),
        younger=st.integers(0, 3),
    )


def _worlds(labels: st.SearchStrategy[dict[str, str]] | None = None) -> st.SearchStrategy[Snapshot]:
    return st.sets(st.sampled_from([f"s{number}" for number in range(6)])).flatmap(
        lambda names: st.builds(snapshot, *(services(name, labels) for name in sorted(names)))
    )


WORLDS = _worlds()
_PLAIN_LABELS = st.fixed_dictionaries(
    {"servicePath": _PATHS, "port": st.just("80")}, optional={"serviceDomain": _DOMAINS}
)
PLAIN_WORLDS = _worlds(_PLAIN_LABELS)
"""Worlds of services that HAProxy 3.4 can go between without a reload, nearly always."""

GUARDED_WORLDS = _worlds(
    st.fixed_dictionaries(
        {"servicePath": _PATHS, "port": st.just("80")},
        optional={
            "allowedSrc": st.sampled_from(["10.0.0.0/8", "10.0.0.0/9,2001:db8::/32", "::/0", "10.1.1.1"]),
            "deniedSrc": st.sampled_from(["10.0.0.0/8", "192.0.2.0/25"]),
            "allowedMethods": st.sampled_from(["GET", "GET,PUT"]),
            "httpsOnly": st.just("true"),
            "timeoutServer": st.sampled_from(["1", "2"]),
        },
    )
)
"""Worlds of services that let in some requests only, between which there is no need for a reload, nearly always."""

_NAMED = st.builds(
    lambda names: {"reqMode": "sni", "srcPort": "8443", "port": "443", "serviceDomain": names},
    st.sampled_from(["x.com", "*.x.com", "*x.com", "y.org,a.x.com", "*.a.b.x.com", "*"]),
)
NAMED_WORLDS = st.builds(
    lambda world: snapshot(*world.services, service("t0", {"reqMode": "sni", "srcPort": "8443", "port": "443"})),
    _worlds(_NAMED),
)
"""Worlds of services that get TLS connections of one port by their names, or those of all names."""

CHANGED = "s0"
_HTTPS = st.builds(
    lambda domain: {"serviceDomain": domain, "port": "80"}, st.sampled_from(["x.com", "*.x.com", "y.org", "*x.com"])
)
_SHARING = st.one_of(_HTTPS, _NAMED.map(lambda labels: labels | {"srcPort": "443"}))
SHARED_WORLDS = st.builds(
    lambda world: snapshot(*world.services, service("t0", {"reqMode": "sni", "port": "443", "serviceDomain": "t0"})),
    _worlds(_SHARING),
)
"""Worlds of services that get TLS connections of port 443 by their names, and of others that claim names by HTTP."""
SHARING_SERVICE = services(CHANGED, _SHARING)
PLAIN_SERVICE = services(CHANGED, _PLAIN_LABELS)
"""A service that may take the place of one in such a world."""
