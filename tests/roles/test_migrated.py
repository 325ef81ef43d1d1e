"""A stack made for Traefik, migrated, on a real proxy: requests are answered as Traefik's labels say."""

import base64
import re
from pathlib import Path

from roles.conftest import MakeProxy
from roles.processes import eventually

from controller.migrating.migrate import migrate

MADE_FOR_TRAEFIK = """services:
  shop:
    deploy:
      labels:
        - >-
          traefik.http.routers.shop.rule=(Host(`shop.example.com`) || Host(`www.example.com`))
          && !PathPrefix(`/private`)
        - traefik.http.routers.shop.entrypoints=websecure,web
        - traefik.http.routers.shop.middlewares=answer
        - traefik.http.middlewares.answer.headers.customresponseheaders.X-Shop=open
        - traefik.http.services.shop.loadbalancer.server.port=PORT
  admin:
    deploy:
      labels:
        traefik.http.routers.admin.rule: Host(`shop.example.com`) && (Path(`/admin`) || PathPrefix(`/manage/`))
        traefik.http.routers.admin.middlewares: guard
        # the password is: secret
        traefik.http.middlewares.guard.basicauth.users: "ann:$$5$$salt$$HASH"
        traefik.http.services.admin.loadbalancer.server.port: PORT
  old:
    deploy:
      labels:
        traefik.http.routers.old.rule: Host(`old.example.com`)
        traefik.http.routers.old.middlewares: secure
        traefik.http.middlewares.secure.redirectscheme.scheme: https
        traefik.http.middlewares.secure.redirectscheme.permanent: "true"
        traefik.http.services.old.loadbalancer.server.port: PORT
  unknown:
    deploy:
      labels:
        traefik.http.routers.unknown.rule: Host(`unknown.example.com`)
        traefik.http.routers.unknown.middlewares: guard@file
        traefik.http.services.unknown.loadbalancer.server.port: PORT
"""
HASH_OF_SECRET = "kpa26zwgX83BPSR8d7w93OIXbFt/d3UOTZaAu5vsTM6"


def on_this_machine(text: str) -> str:
    """Have the published services of a stack be asked for on this machine."""
    return re.sub(
        r"^( *)(- com\.df\.notify=true|com\.df\.notify: \"true\")$",
        lambda match: (
            match[0]
            + f"\n{match[1]}"
            + ("- com.df.outboundHostname=127.0.0.1" if "- " in match[2] else "com.df.outboundHostname: 127.0.0.1")
        ),
        text,
        flags=re.MULTILINE,
    )


def test_requests_are_answered_as_the_labels_said(
    make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int
) -> None:
    text = MADE_FOR_TRAEFIK.replace("PORT", str(backend)).replace("HASH", HASH_OF_SECRET)
    stack_file.write_text(on_this_machine(migrate(text).text), encoding="utf-8")
    proxy = make_proxy(newest, "--stack-file", str(stack_file))
    eventually(proxy.ready, "the proxy is ready")

    answer = proxy.through("/anything", Host="shop.example.com")
    assert (answer.status_code, answer.headers["X-Shop"]) == (200, "open")
    assert proxy.status("/", Host="www.example.com") == 200
    assert proxy.status("/private/area", Host="shop.example.com") == 503
    assert proxy.status("/", Host="example.com") == 503

    login = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}
    assert proxy.status("/admin", Host="shop.example.com") == 401
    assert proxy.status("/manage/users", Host="shop.example.com") == 401
    assert proxy.status("/admin", Host="shop.example.com", **login) == 200
    assert proxy.status("/admin/more", Host="shop.example.com") == 200, "it is the shop's, for Path is the whole path"

    redirected = proxy.through("/page", Host="old.example.com")
    assert (redirected.status_code, redirected.headers["Location"]) == (301, "https://old.example.com/page")
    assert proxy.status("/", Host="unknown.example.com") == 503, "nobody is let in whom an unknown middleware kept out"
