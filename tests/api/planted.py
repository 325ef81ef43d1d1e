"""A listener and a proxy in a world full of secrets, and where these must not turn up."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from binaries import VERSIONS, haproxy_binary
from fakes.fake_docker import FakeDocker
from roles.processes import Proxy, Role, ask, eventually, running
from tls.authorities import Authority, Issued

_AUTHORITY = Authority.new()
API_TOKEN, LISTENER_TOKEN = "api-Token-31", "listener-Token-32"
KNOWN = {"Authorization": f"Bearer {API_TOKEN}"}


def _key_of(issued: Issued) -> str:
    """Return a line of a private key."""
    return issued.pem.partition("PRIVATE KEY-----\n")[2].splitlines()[0]


OF_LABEL, OF_API, OF_FILE = (_AUTHORITY.issue(f"{name}.example") for name in ("label", "api", "file"))
SECRETS = {
    "API_TOKEN": API_TOKEN,
    "LISTENER_TOKEN": LISTENER_TOKEN,
    "STATS_PASS": "stats-Pass-01",
    "USERS": "global-Pass-02",
    "users": "label-Pass-03",
    "usersSecret": "secret-Pass-04",
    "crypt hash": "$5$saltsalt$0N6XxeLT3G1EOTp0Nms9h5hUqO0m2FJWUVJm3LHjA1A",
    "addReqHeader": "header-Pass-05",
    "setReqHeader": "header-Pass-06",
    "a header of no suspicious name": "header-Pass-07",
    "a bad header": "header-Pass-08",
    "backendExtra, a header": "extra-Pass-09",
    "backendExtra, a check": "extra-Pass-10",
    "backendExtra, a test": "extra-Pass-11",
    "backendExtra, a wrong word": "extra-Pass-12",
    "backendExtra, refused by HAProxy": "extra-Pass-13",
    "EXTRA_FRONTEND": "extra-Pass-14",
    "variables": "variable-Pass-15",
    "put through the API": "api-Pass-16",
    "refused by the API": "api-Pass-17",
    "a user in a URL": "url-Pass-18",
    "a query in a URL": "url-Pass-19",
    "serviceCert": _key_of(OF_LABEL),
    "a certificate that was put": _key_of(OF_API),
    "a certificate in a file": _key_of(OF_FILE),
}


def _shapes(secret: str) -> Iterator[bytes]:
    """Return what a secret may look like: itself, in the ways of URLs, in Base64 and in hexadecimal digests."""
    text = secret.encode()
    yield from (text, quote(secret, safe="").encode(), quote_plus(secret).encode(), text.hex().encode())
    for before in range(3):  # Base64 looks another way for each number of bytes that go before
        whole = base64.b64encode(b"x" * before + text)
        yield whole[4 if before else 0 : len(whole) // 4 * 4 - 4]
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, text, usedforsecurity=False).hexdigest()
        yield from (digest.encode(), digest.upper().encode())


_SHAPES = {name: frozenset(_shapes(secret)) for name, secret in SECRETS.items()}


def leaks(content: bytes) -> list[str]:
    """Return which secrets are in a content, in whatever shape."""
    return [name for name, shapes in _SHAPES.items() if any(shape in content for shape in shapes)]


@dataclass(frozen=True)
class World:
    """The roles, and the folder that everything of theirs is in; ``docker`` is their engine."""

    proxy: Proxy
    listener: Role
    docker: FakeDocker
    home: Path

    @property
    def roles(self) -> dict[str, Role]:
        """Both by name."""
        return {"proxy": self.proxy, "listener": self.listener}

    def url(self, role: str) -> str:
        """Return where a role's API is."""
        return f"http://127.0.0.1:{self.roles[role].api}"

    def changed(self, method: str, path: str, **more: object) -> int:
        """Change something through the proxy's API; return the status."""
        return ask(self.url("proxy") + path, method, headers=KNOWN, timeout=20, **more).status_code


@contextmanager
def planted(home: Path, origin: int) -> Iterator[World]:
    """Start both, with all secrets in their places; ``origin`` is the port of a service on this machine."""
    with ExitStack() as cleaning:
        docker = cleaning.enter_context(FakeDocker())
        mounted, certificates, temporary = home / "secrets", home / "certs", home / "tmp"
        for folder in (mounted, certificates, temporary):
            folder.mkdir()
        (mounted / "dfp_users_team").write_text(f"sue:{SECRETS['usersSecret']}")
        (certificates / "file.pem").write_text(OF_FILE.pem)
        common = {"LISTENER_TOKEN": LISTENER_TOKEN, "API_TOKEN": API_TOKEN, "TMPDIR": str(temporary)}
        url = f"http://ann:{SECRETS['a user in a URL']}@127.0.0.1:1/create?key={SECRETS['a query in a URL']}"
        listener = Role(
            ["listener", "--secrets-dir", str(mounted)],
            common
            | {
                "DOCKER_HOST": docker.docker_host,
                "STATE_DIR": str(home / "listener"),
                "DF_NOTIFY_CREATE_SERVICE_URL": url,
                "DF_NOTIFY_REMOVE_SERVICE_URL": url,
                "LOG_LEVEL": "debug",
            },
            home / "listener.log",
        )
        cleaning.enter_context(running(listener, home / "none"))
        listener.start()
        own = home / "p"
        proxy = Proxy(
            [
                "proxy",
                *("--state-dir", f"{own}/state", "--run-dir", f"{own}/run", "--secrets-dir", str(mounted)),
                *("--listener-address", f"127.0.0.1:{listener.api}"),
            ],
            common | _variables(certificates, origin),
            home / "proxy.log",
            home=own,
        )
        cleaning.enter_context(running(proxy, own))
        base = {"notify": "true", "outboundHostname": "127.0.0.1", "port": str(origin)}
        for name, own_labels in _services().items():
            labels = base | own_labels
            docker.add_service(name, {f"com.df.{label}": value for label, value in labels.items()})
        proxy.start()
        eventually(listener.ready, "the listener is ready")
        eventually(proxy.ready, "the proxy is ready")
        world = World(proxy, listener, docker, home)
        _put(world, origin)
        yield world


def _variables(certificates: Path, origin: int) -> dict[str, str]:
    return {
        "HAPROXY_BINARY": str(haproxy_binary(VERSIONS[-1])),
        "CERTS_DIR": str(certificates),
        "STATS_USER": "stats",
        "STATS_PASS": SECRETS["STATS_PASS"],
        "USERS": f"bob:{SECRETS['USERS']}",
        "EXTRA_FRONTEND": f"http-request deny if {{ req.hdr(X-Blocked) {SECRETS['EXTRA_FRONTEND']} }}",
        "DFP_SERVICE_NAME": "outside",
        "DFP_SERVICE_SERVICE_PATH": "/outside",
        "DFP_SERVICE_PORT": str(origin),
        "DFP_SERVICE_OUTBOUND_HOSTNAME": "127.0.0.1",
        "DFP_SERVICE_USERS": f"zoe:{SECRETS['variables']}",
        "DISPLAY_CONFIG_ON_ERROR": "true",
        "LOG_LEVEL": "debug",
    }


def _services() -> dict[str, dict[str, str]]:
    """Return labels with secrets in them, good ones and bad ones, by service."""
    extra = (
        f"http-request set-header X-Upstream {SECRETS['backendExtra, a header']}\n"
        f"option httpchk\nhttp-check send hdr Host x hdr X-Check {SECRETS['backendExtra, a check']}\n"
        f"http-request deny unless {{ req.hdr(X-Key) -m str {SECRETS['backendExtra, a test']} }}"
    )
    refused = f"option httpchk\nhttp-check expect rstring ([{SECRETS['backendExtra, refused by HAProxy']}"
    return {
        "users": {"servicePath": "/users", "users": f"ann:{SECRETS['users']}"},
        "named": {"servicePath": "/named", "users": "sue", "usersSecret": "team"},
        "hashed": {"servicePath": "/hashed", "users": f"tom:{SECRETS['crypt hash']}", "usersPassEncrypted": "true"},
        "headers": {
            "servicePath": "/headers",
            "addReqHeader": f"Authorization Bearer {SECRETS['addReqHeader']},X-Up {SECRETS[_UNSUSPICIOUS]}",
            "setReqHeader": f"X-Api-Key {SECRETS['setReqHeader']}",
        },
        "extra": {"servicePath": "/extra", "backendExtra": extra},
        "certified": {"servicePath": "/certified", "serviceDomain": "label.example", "serviceCert": OF_LABEL.pem},
        "bad-port": {"servicePath": "/bad", "port": "x", "users": f"ann:{SECRETS['users']}"},
        "bad-users": {"servicePath": "/bad", "users": f":{SECRETS['users']}"},
        "bad-header": {"servicePath": "/bad", "addReqHeader": f"Author%ization() {SECRETS['a bad header']}"},
        "bad-extra": {
            "servicePath": "/bad",
            "backendExtra": f"http-request set-header Authorization Bearer {SECRETS['backendExtra, a wrong word']}",
        },
        "refused": {"servicePath": "/refused", "backendExtra": refused},
        "bad-cert": {"servicePath": "/bad", "serviceCert": OF_LABEL.pem.replace("BEGIN CERT", "BEGIN C")},
        "tcp": {"reqMode": "tcp", "srcPort": "1", "users": f"ann:{SECRETS['users']}"},
    }


_UNSUSPICIOUS = "a header of no suspicious name"


def _put(world: World, origin: int) -> None:
    """Put services and a certificate through the API, good ones and bad ones."""
    labels = {"servicePath": "/put", "port": str(origin), "outboundHostname": "127.0.0.1"}
    good = {**labels, "users": f"kim:{SECRETS['put through the API']}"}
    assert world.changed("PUT", "/v1/services/put", json=good) == 200
    bad = {**labels, "port": "x", "users": f"kim:{SECRETS['refused by the API']}"}
    assert world.changed("PUT", "/v1/services/bad", json=bad) == 400
    assert world.changed("GET", "/v1/docker-flow-proxy/reconfigure", params={"serviceName": "bad", **bad}) == 400
    assert world.changed("PUT", "/v1/services/bad", json=[bad]) == 422
    assert world.changed("PUT", "/v1/certificates/api.pem", content=OF_API.pem) == 200
    assert world.changed("PUT", "/v1/certificates/bad.pem", content=OF_API.pem.replace("BEGIN CERT", "BEGIN C")) == 400
