"""The world of a lifetime, what may happen to it, and each change in words. Hypothesis chooses, and shortens."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Protocol

from builders import service, task
from hypothesis import strategies as st
from tls.authorities import Authority

from controller.pem import read_certificate, split_pem
from models.certificates import Certificate, CertificateSource
from models.snapshot import SwarmService

NAMES = ("s0", "s1", "s2", "s3", "s4")
SECRET_HASH = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"
"""The word ``secret``, as ``mkpasswd`` hashes it."""

CERTIFICATES = {
    "exact": ("x.com",),
    "wild": ("*.x.com", "x.com"),
    "other": ("y.org", "a.x.com"),
    "none": ("none.test",),
}
"""The names of certificates by file; of each there are several, so that they can be rotated."""


def address(name: str, number: int) -> str:
    """Return an address of a service: 1 to 6 for tasks, 9 for its virtual IP."""
    return f"127.9.{NAMES.index(name)}.{number}"


ADDRESSES = tuple(address(name, number) for name in NAMES for number in (1, 2, 3, 4, 5, 6, 9))


@cache
def _authority() -> Authority:
    return Authority.new()


@cache
def pem_of(name: str, version: int) -> str:
    """Return one of the certificates of a name: one of `CERTIFICATES`, or any host."""
    assert version >= 0
    return _authority().issue(*CERTIFICATES.get(name, (name,))).pem


@dataclass(frozen=True)
class Ports:
    """The ports of the proxy, and those of the services."""

    http: int
    https: int
    tcp: int
    passed: int
    origin: int
    other: int
    secure: int

    @cached_property
    def words(self) -> dict[str, str]:
        """Each by its name, as labels hold it; and the certificates that services may bring along."""
        own = {f"{name}{version}": pem_of(name, version) for name in CERTIFICATES for version in (7, 8)}
        return own | {each.name: str(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True)
class Service:
    """A service as its owner sees it; labels have names of ports in braces, ``tasks`` are slots with an address each.

    ``before`` are the labels of before the last update, as Swarm keeps them.
    """

    labels: Mapping[str, str]
    tasks: tuple[tuple[int, int], ...] = ((1, 1),)
    age: int = 0
    before: Mapping[str, str] | None = None

    def swarm(self, name: str, ports: Ports) -> SwarmService:
        """Return the service as Swarm tells it."""
        made = service(
            name,
            _filled(self.labels, ports),
            tasks=[
                task(slot, address=f"{address(name, number)}/8", task_id=f"{name}.{slot}.{number}")
                for slot, number in self.tasks
            ],
            vips=[f"{address(name, 9)}/8"],
            younger=self.age,
            id=f"id-{name}-{self.age}",
        )
        if self.before is None:
            return made
        previous = service(name, _filled(self.before, ports)).labels
        return made.model_copy(update={"previous_labels": previous})


def _filled(labels: Mapping[str, str], ports: Ports) -> dict[str, str]:
    return {label: value.format_map(ports.words) for label, value in labels.items()}


@dataclass
class World:
    """What there is, and how often each certificate of the proxy's folder was rotated."""

    services: dict[str, Service]
    certificates: dict[str, int]

    def folder(self) -> tuple[Certificate, ...]:
        """Return the certificates of the folder."""
        return tuple(
            read_certificate(f"{name}.pem", CertificateSource.FOLDER, split_pem(pem_of(name, version)))
            for name, version in sorted(self.certificates.items())
        )


class Change(Protocol):
    """Something that happens to the world; as text it is what a person would say."""

    def apply(self, world: World) -> None:
        """Let it happen."""


@dataclass(frozen=True)
class Put:
    """A service is created, or all its labels are replaced."""

    name: str
    labels: Mapping[str, str]
    age: int

    def __str__(self) -> str:
        return f"{self.name} is created or replaced (age {self.age}): {_words(self.labels)}"

    def apply(self, world: World) -> None:
        known = world.services.get(self.name)
        made = Service(self.labels, age=self.age)
        world.services[self.name] = replace(known, labels=self.labels, before=known.labels) if known else made


@dataclass(frozen=True)
class Relabel:
    """A service gets labels beside those it has, or in their place."""

    name: str
    labels: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} gets {_words(self.labels)}"

    def apply(self, world: World) -> None:
        known = world.services.get(self.name)
        if known:
            world.services[self.name] = replace(known, labels={**known.labels, **self.labels}, before=known.labels)


@dataclass(frozen=True)
class Unlabel:
    """A service loses one of its labels."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} loses its label number {self.number}, in the order of the alphabet"

    def apply(self, world: World) -> None:
        known = world.services.get(self.name)
        if known:
            lost = sorted(known.labels)[self.number % len(known.labels)]
            labels = {label: value for label, value in known.labels.items() if label != lost}
            world.services[self.name] = replace(known, labels=labels, before=known.labels)


@dataclass(frozen=True)
class Run:
    """A service has these tasks: slots, each with the number of its address."""

    name: str
    tasks: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        tasks = ", ".join(f"{slot} at .{number}" for slot, number in self.tasks)
        return f"{self.name} runs as {tasks or 'nothing'}"

    def apply(self, world: World) -> None:
        known = world.services.get(self.name)
        if known:
            world.services[self.name] = replace(known, tasks=self.tasks, before=known.labels)


@dataclass(frozen=True)
class Remove:
    """A service is gone."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} is removed"

    def apply(self, world: World) -> None:
        world.services.pop(self.name, None)


@dataclass(frozen=True)
class Certify:
    """The folder holds these certificates, each in one of its versions."""

    versions: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return f"the folder of certificates holds {dict(self.versions)}"

    def apply(self, world: World) -> None:
        world.certificates = dict(self.versions)


@dataclass(frozen=True)
class Together:
    """Several changes at once."""

    changes: tuple[Change, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.changes))

    def apply(self, world: World) -> None:
        for change in self.changes:
            change.apply(world)


@dataclass(frozen=True)
class Killed:
    """A change, and while it is made the controller is killed, after so many of its steps."""

    change: Change
    steps: int

    def __str__(self) -> str:
        return f"{self.change}; and the controller is killed after {self.steps} steps of it"

    def apply(self, world: World) -> None:
        self.change.apply(world)


@dataclass(frozen=True)
class Restarted:
    """The controller starts anew."""

    def __str__(self) -> str:
        return "the controller is started anew"

    def apply(self, world: World) -> None:
        pass


@dataclass(frozen=True)
class Reloaded:
    """Somebody reloads HAProxy."""

    def __str__(self) -> str:
        return "somebody reloads HAProxy"

    def apply(self, world: World) -> None:
        pass


def _words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{label}={value[:60]}" for label, value in labels.items())


def _each(label: str, *values: str) -> Iterator[dict[str, str]]:
    for value in values:
        yield {label: value}


ROUTES = (
    *_each("servicePath", "/", "/a", "/a/b", "/b,/c", "/a;v=1", "/.well-known/acme-challenge/x"),
    *_each("serviceDomain", "x.com", "*.x.com", "*x.com", "y.org,a.x.com", "*"),
)
TRAITS = (
    {},
    *ROUTES,
    *ROUTES,
    {"port": "{other}"},
    {"aclName": "one"},
    {"aclName": "00-first"},
    {"servicePath.1": "/one", "port.1": "{origin}", "servicePath.2": "/two", "port.2": "{other}"},
    {"isDefaultBackend": "true"},
    {"priority": "5"},
    {"priority": "-5"},
    {"pathType": "path"},
    {"pathType": "path_reg", "servicePath": "^/a.*b$"},
    {"pathType": "path_end -i", "servicePath": "/B"},
    {"servicePathExclude": "/a/b"},
    {"serviceHeader": "X-Version:2"},
    {"userAgent": "CURL,wget"},
    {"srcPort": "{https}"},
    {"httpsPort": "{other}", "srcHttpsPort": "{https}"},
    *_each("trafficGroup", "shop", "shop", "shop", "news"),
    *_each("weight", "0", "1", "30"),
    *_each("users", "ann:a", "ann:b", "ann:a,bob:b c", "bob:ü:#"),
    {"users": f"ann:{SECRET_HASH}", "usersPassEncrypted": "true"},
    {"ignoreAuthorization": "true"},
    *_each("allowedSrc", "127.1.0.0/16", "127.1.0.0/16,127.2.0.0/16"),
    *_each("deniedSrc", "127.2.0.0/16", "127.3.0.0/16,10.0.0.0/8"),
    *_each("allowedMethods", "GET", "GET,POST"),
    {"deniedMethods": "POST"},
    {"denyHttp": "true"},
    *_each("rateLimit", "1/1h", "3/1h"),
    {"httpsOnly": "true"},
    {"httpsOnly": "true", "httpsRedirectCode": "301"},
    {"redirectWhenHttpProto": "true"},
    {"redirectFromDomain": "old.com", "serviceDomain": "x.com"},
    {"redirectFromDomain": "old.com", "serviceDomain": "y.org"},
    *_each("setReqHeader", "X-Set one", "X-Set two 2"),
    *_each("addReqHeader", "X-Set three", "X-Add it"),
    {"delReqHeader": "X-Gone"},
    *_each("setResHeader", "X-Res one", "X-Res two"),
    {"delResHeader": "Server"},
    *_each("reqPathSearchReplace", "/a,/z", "^/(.*)$,/x/\\1"),
    {"backendExtra": "http-request set-header X-Extra yes"},
    {"backendExtra": "timeout server soon"},
    {"sessionType": "sticky-server"},
    {"discoveryType": "DNS"},
    {"checkTcp": "true"},
    {"checkHttp": "/health"},
    {"timeoutServer": "50"},
    {"connectionMode": "httpclose"},
    {"reqMode": "tcp", "srcPort": "{tcp}", "port": "{origin}"},
    {"reqMode": "tcp", "srcPort": "{tcp}", "port": "{origin}", "serviceGroup": "pool"},
    *({"reqMode": "sni", "port": "{secure}", "serviceDomain": name} for name in ("x.com", "*.x.com", "y.org", "*")),
    {"reqMode": "sni", "port": "{secure}", "srcPort": "{passed}"},
    {"reqMode": "sni", "port": "{secure}", "srcPort": "{passed}", "serviceDomain": "x.com,*.x.com"},
    {
        "reqMode": "sni",
        "port": "{secure}",
        "srcPort": "{passed}",
        "servicePath": "^a",
        "pathType": "req.ssl_sni -m reg",
    },
    {"srcPort": "{https}"},
    *_each("serviceCert", "{wild7}", "{wild8}", "{other7}"),
    {"replicas": "0"},
    *_each("port", "none"),
    {"users": "nobody:"},
    {"bogus": "x"},
)
"""What services may ask for, some of it nonsense, and much of it in each other's way."""
_NAME = st.sampled_from(NAMES)
_TRAIT = st.sampled_from(TRAITS)
_LABELS = st.lists(_TRAIT, min_size=1, max_size=4).map(
    lambda traits: {"servicePath": "/a", "port": "{origin}"} | {k: v for trait in traits for k, v in trait.items()}
)
_TASKS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 6)), max_size=3, unique_by=(lambda task: task[0], lambda task: task[1])
).map(tuple)
_CERTIFIED = st.dictionaries(st.sampled_from(["exact", "wild", "other"]), st.integers(0, 1), max_size=3)
_SIMPLE = st.one_of(
    st.builds(Put, _NAME, _LABELS, st.integers(0, 3)),
    st.builds(Put, _NAME, _LABELS, st.integers(0, 3)),
    st.builds(Relabel, _NAME, _TRAIT),
    st.builds(Relabel, _NAME, _TRAIT),
    st.builds(Unlabel, _NAME, st.integers(0, 5)),
    st.builds(Run, _NAME, _TASKS),
    st.builds(Remove, _NAME),
    st.builds(Certify, _CERTIFIED.map(lambda versions: tuple(sorted(versions.items())))),
)
_TOGETHER = st.lists(_SIMPLE, min_size=2, max_size=4).map(lambda changes: Together(tuple(changes)))
CHANGES = st.one_of(
    _SIMPLE,
    _SIMPLE,
    _TOGETHER,
    st.builds(Killed, st.one_of(_SIMPLE, _TOGETHER), st.integers(0, 30)),
    st.just(Restarted()),
    st.just(Reloaded()),
)


def told(changes: Iterable[Change]) -> str:
    """Return a sequence of changes in words, one a line."""
    return "\n".join(f"  {number}. {change}" for number, change in enumerate(changes, start=1))
