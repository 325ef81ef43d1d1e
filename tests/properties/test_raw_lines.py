"""Whatever stands in raw lines and templates, it is refused, or it concerns the service that brings it and no other."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary, refusal
from builders import SURROUNDINGS, rendered_of, service, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.blame import named_by_haproxy
from controller.errors import ConfigRejectedError
from controller.templates import TemplateFile
from models.settings import ProxySettings
from render import records
from render.files import Rendered

OTHERS = (
    service("other"),
    service("rest", {"servicePath": "/rest", "port": "80", "isDefaultBackend": "true"}),
    service("routed", {"port": "80", "templateFePath": "theirs", "templateBePath": "lines"}),
    service("guarded", {"servicePath": "/guarded", "port": "80", "users": "zoe:zoes", "userAgent": "curl"}),
)
THEIRS = {
    "theirs": "acl mine path /r\nuse_backend {{ backend }} if mine",
    "lines": "acl mine path /x\nhttp-request deny if mine",
}
WORDS = (
    *("acl", "mine", "x", "TRUE", "http-request", "http-response", "http-after-response", "http-check", "http-error"),
    *("deny", "allow", "return", "set-header", "set-var(txn.x)", "set-var(txn.route)", "set-var(proc.x)", "redirect"),
    *("set-map(maps/prefixes.map)", "use-service", "lua.x", "track-sc0", "silent-drop", "reject", "file", "string"),
    *("location", "status", "200", "503", "deny_status", "content-type", "X-A", "text", "%[src]", "%[env(HOME)]", "%"),
    *("%[path,map(/etc/passwd)]", "%[var(txn.route)]", "%[str('a)')]", "%{+Q}[path]", "%%", "path", "path_beg", "src"),
    *("hdr(host)", "req.hdr(X)", "path,lower", "sc0_conn_cur", "nbsrv(other-be8080_0)", "http_auth(x)", "env(HOME)"),
    *("-i", "-f", "-m", "found", "beg", "--", "-M", "/etc/passwd", "/a", "10.0.0.0/8", "www.example.com", "{", "}"),
    *("!", "!{", "if", "unless", "or", "||", "use_backend", "default_backend", "web-be80_0", "other-be8080_0"),
    *("backend", "frontend", "global", "defaults", "server", "bind", "mode", "tcp", "option", "httpchk", "httpclose"),
    *("external-check", "balance", "leastconn", "hash", "timeout", "5s", "retries", "2", "cookie", "insert"),
    *("compression", "algo", "gzip", "stick-table", "errorfile", "stats", "enable", "tcp-request", "content", "accept"),
    *('"', "'", "\\", "#", "$HOME", '"${HOME}"', "\\n", "\\x27", "\n", "\n", "\n", "\t", ",", "(", ")", "[", "]"),
    *("{{ backend }}", "{{ servicePath }}", "{{ userDef }}", "{% if port %}", "{% endif %}", "{{", "}}", "{% for x in"),
)
SENTENCES = (
    "http-request deny if { path_beg @ }",
    "http-request set-header X-A @",
    "http-request set-header X-A @ if @ @ @",
    "http-request return status 200 content-type text/plain string @",
    "http-request set-var(txn.x) @",
    "http-response set-header X-A @",
    "http-after-response @ X-A @",
    "acl mine @ @ @",
    "acl x path @\nhttp-request deny if x",
    "http-request redirect location @ code @",
    "timeout @ @",
    "retries @",
    "option @ @",
    "balance @ @",
    "cookie @ @ @",
    "compression @ @",
    "http-check send uri @",
    "http-error status 503 content-type @ string @",
    "tcp-request content accept if { @ @ @ }",
    "http-request @ @ @",
    "use_backend web-be80_0 if { path @ }",
    "use_backend web-be80_0 if { @ @ @ }",
    "acl mine @ @\nuse_backend web-be80_0 unless mine",
    "use_backend @ if @",
    "@ @ @",
)
"""Beginnings of sense: each ``@`` is any word."""
LABELS = ("backendExtra", "templateBePath", "templateFePath")


def filled(dice: random.Random) -> str:
    """Return a text of a few sentences."""
    sentences = dice.choices(SENTENCES, k=dice.choice((1, 1, 1, 2)))
    return "\n".join("".join(dice.choice(WORDS) if char == "@" else char for char in each) for each in sentences)


TEXTS = st.one_of(
    st.randoms(use_true_random=False).map(filled),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)), max_size=8).map(" ".join),
)


def rendered_with(label: str | None = None, text: str = "") -> Rendered:
    """Render the world, perhaps with a service that brings this text."""
    files = {name: TemplateFile(each) for name, each in {**THEIRS, "mine": text}.items()}
    labels = {"servicePath": "/web", "port": "80", "userDef": "blue"}
    web = [service("web", labels | {label: text if label == "backendExtra" else "mine"}, younger=9)] if label else []
    return rendered_of(snapshot(*OTHERS, *web), surroundings=replace(SURROUNDINGS, templates=files))


BASE = rendered_with()


def blocks(config: str) -> dict[str, Counter[str]]:
    """Return the lines of each section by its first line."""
    sections = ("\n" + config).split("\n\n")
    return {each.strip("\n").partition("\n")[0]: Counter(each.strip("\n").split("\n")[1:]) for each in sections}


@settings(derandomize=True, max_examples=120)
@given(label=st.sampled_from(LABELS), text=TEXTS)
def test_any_text_changes_lines_of_its_service_only(label: str, text: str) -> None:
    """All others keep every line and every map entry; what is added has an owner."""
    rendered = rendered_with(label, text)
    for file, entries in BASE.maps.items():
        kept = {key: value for key, value in entries.items() if key != "core:core"}
        assert kept.items() <= rendered.maps[file].items()
    before, after = blocks(BASE.config), blocks(rendered.config)
    for first, lines in before.items():
        assert lines - after[first] == Counter()
    lines = rendered.config.split("\n")
    assert lines[:-1] == rendered.config.splitlines()
    added = Counter(line for line in lines if line.strip() and not line.startswith("    # "))
    owned = Counter(line for number, line in enumerate(lines, start=1) if "web" in rendered.owners.get(number, ()))
    assert added - Counter(BASE.config.split("\n")) - owned == Counter()


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy_takes_it_or_names_the_service(version: str, tmp_path: Path) -> None:
    """What gets past is either good, or costs the one that wrote it."""
    dice = random.Random(5)
    binary, tried = haproxy_binary(version), 0
    while tried < 25:
        label, text = dice.choice(LABELS), filled(dice)
        rendered = rendered_with(label, text)
        plain = rendered_with(label, "")
        if rendered.config == plain.config or "http-request deny deny_status 503" in "".join(_own(rendered)):
            continue
        tried += 1
        if words := refusal(binary, rendered.files(), tmp_path):
            error = ConfigRejectedError("refused", output=words)
            assert set(named_by_haproxy(error, rendered)) == {"web"}, (text, words)


def _own(rendered: Rendered) -> list[str]:
    lines = rendered.config.split("\n")
    return [line for number, line in enumerate(lines, start=1) if rendered.owners.get(number) == ("web",)]


def test_without_raw_lines_there_is_none_of_it() -> None:
    """The operator's switch is for all of them."""
    switched_off = ProxySettings(allow_raw_config=False)
    for label in LABELS:
        world = snapshot(*OTHERS[:2], service("web", {"servicePath": "/web", "port": "80", label: "retries 2"}))
        rendered = rendered_of(world, settings=switched_off)
        assert rendered == rendered_of(snapshot(*OTHERS[:2]), settings=switched_off)
        assert rendered.maps[records.PREFIXES] == {
            "/other": "other-be8080_0",
            "/rest": "rest-be80_0",
            "*#": "rest-be80_0",
            "/": "rest-be80_0",
        }
