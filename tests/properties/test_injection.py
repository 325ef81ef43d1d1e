"""Any text in any label is refused with a reason, or it is one word where it belongs and nothing else.

HAProxy cannot judge this: it takes an injected directive for a directive. So the lines that a service adds are compared
with those of a twin that says the same in harmless words, and all other lines with a world without the service.
"""

import random
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary, refusal
from builders import SURROUNDINGS, read, rendered_of, service, snapshot
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.endpoints import Surroundings
from models.labels.custom import RAW_LABELS
from models.labels.headers import HeaderValue
from models.service import TABLE, ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot
from render.files import Rendered, map_text

OTHERS = (service("other"), service("guarded", {"servicePath": "/guarded", "port": "80", "users": "zoe:zoes"}))
HOSTILE = (
    *(
        "\n",
        "\r\n",
        "\0",
        "\t",
        " ",
        "'",
        '"',
        "\\",
        "`",
        "#",
        "%",
        "$",
        "{{",
        "}}",
        "{%",
        "{#",
        "%[",
        "]",
        ")",
        "(",
        ",",
    ),
    *(
        ":",
        "|",
        "!",
        "*",
        ";",
        "<<",
        "\u2028",
        "\u200b",
        "\u00a0",
        "\u009b",
        "\x85",
        "\ud800",
        "é",
        "\\n",
        "\\x0a",
        "\\'",
    ),
    *(
        "%[env(HOME)]",
        "${HOME}",
        "$(id)",
        "\n    server evil 192.0.2.1:80\n",
        " if FALSE",
        "' if FALSE #",
        "unless TRUE",
    ),
    *("{{ machine }}", "{% include 'core.cfg.j2' %}", "\nbackend evil\n", "/..", "//"),
)
PLAUSIBLE = (
    "/web",
    "/a,/b",
    "web.example.com",
    "*.x.com",
    "80",
    "tcp",
    "true",
    "ann:secret",
    "ann",
    "^/a(b|c)$,/d",
    "g",
)
TEXTS = st.lists(
    st.one_of(st.sampled_from(PLAUSIBLE), st.sampled_from(HOSTILE), st.text(max_size=4)), min_size=1, max_size=4
).map("".join)
RAW = RAW_LABELS
"""Labels whose very purpose is to bring lines of the configuration; they are tried elsewhere."""
KEYS = st.sampled_from(sorted(set(TABLE) - RAW)).flatmap(lambda name: st.sampled_from([name, f"{name}.1", f"{name}.2"]))
LABELS = st.dictionaries(KEYS, TEXTS, min_size=1, max_size=3)
PLAIN = {"servicePath": "/web", "port": "80"}
QUICK = settings(derandomize=True, max_examples=180)


def rendered_with(world: Snapshot) -> Rendered:
    """Render a world, with users in a secret."""
    surroundings = Surroundings(
        networks=SURROUNDINGS.networks, secrets={"dfp_users_ann": "ann:secret", "dfp_users_b": "b"}
    )
    return rendered_of(world, surroundings=surroundings)


BASE = rendered_with(snapshot(*OTHERS))


_LOOKUP = re.compile(
    r"    (http-request set-var\(txn\.(route|more)\)|use_backend|"
    r"# Where no domain counts,|# None of these requests|"
    r"http-request allow if (!{ (stopping|str\(\*\),map_str\(maps/domains\.map\))|{ var\(txn\.route\))) .*"
)
"""Where something has to be tested, there is no shorter way for plain requests."""


def without_lookups(lines: Counter[str]) -> Counter[str]:
    """Return the lines that stay when a service comes that has something to test: the lookups themselves do not."""
    return Counter({line: count for line, count in lines.items() if not _LOOKUP.fullmatch(line)})


def lines_of(rendered: Rendered) -> Counter[str]:
    """Return the lines of a configuration, each with how often it is there."""
    return Counter(rendered.config.splitlines())


def shapes(lines: Counter[str]) -> Counter[tuple[str, int]]:
    """Return of each line its first word and how many words it has (the quoting is that of a POSIX shell)."""
    split = [shlex.split(line, comments=True) for line in lines.elements()]
    return Counter((words[0], len(words)) for words in split if words)


def twin_of(labels: dict[str, str], form: ProxyService) -> dict[str, str]:
    """Return labels that declare the same, with harmless words in place of all free text."""
    twin = {**labels, "aclName": "twin"}
    for destination in form.destinations:
        index = f".{destination.index}" if destination.index else ""
        users = destination.authentication.users
        names = {user.name: f"u{number}" for number, user in enumerate(users)}
        rewrites = enumerate(destination.rewriting.req_path_search_replace)
        twin |= {
            "users": ",".join(f"{names[user.name]}{':p' if user.password else ''}" for user in users),
            f"outboundHostname{index}": "twin.x" if destination.target.outbound_hostname else "",
            f"reqPathSearchReplace{index}": ":".join(f"s{n},/r,{rewrite.flags}" for n, rewrite in rewrites),
        }
        matching = destination.matching
        tested = matching.path_type not in {"path", "path_beg"}
        twin |= {
            f"userAgent{index}": ",".join("t" for _ in matching.user_agent),
            f"serviceHeader{index}": ",".join(f"T{number}:t" for number, _ in enumerate(matching.service_header)),
            f"servicePathExclude{index}": ",".join(f"/t{n}" for n, _ in enumerate(matching.service_path_exclude)),
        }
        if matching.name_method in {"str", "end"}:
            twin[f"servicePath{index}"] = ",".join(f"t{number}.x" for number, _ in enumerate(matching.service_path))
        elif tested:
            twin[f"servicePath{index}"] = ",".join(f"/t{number}" for number, _ in enumerate(matching.service_path))
        headers = destination.headers
        for name in ("addReqHeader", "setReqHeader", "addResHeader", "setResHeader"):
            twin[name] = ",".join(map(twin_header, getattr(headers, TABLE[name].field)))
        for name in ("delReqHeader", "delResHeader"):
            twin[name] = ",".join("X-Twin" for _ in getattr(headers, TABLE[name].field))
    return {name: text for name, text in twin.items() if text}


def twin_header(header: HeaderValue) -> str:
    """Return a header with the same expressions and condition, and other text."""
    parts = (f"%[{part}]" if number % 2 else "v" for number, part in enumerate(header.parts))
    return f"X-Twin {''.join(parts)} {header.condition}".rstrip()


def check_island(labels: dict[str, str]) -> bool:
    """Check that a service with these labels adds what it declares and nothing else; return whether it was taken."""
    world = snapshot(*OTHERS, service("web", labels, younger=9))
    reading = read(labels)
    if reading.service is None:
        assert reading.problems
        assert all(problem.text.isprintable() for problem in reading.problems)
    rendered = rendered_with(world)
    assert without_lookups(lines_of(BASE)) - lines_of(rendered) == Counter()
    for file, entries in BASE.maps.items():
        assert {key: value for key, value in entries.items() if key != "core:core"}.items() <= rendered.maps[
            file
        ].items()
    for entries in rendered.maps.values():
        assert map_text(entries).split("\n")[:-1] == [f"{key} {value}" for key, value in entries.items()]
        assert not any(char.isspace() for key in entries for char in key)
    added = lines_of(rendered) - lines_of(BASE)
    if reading.service is None and not reading.restricts:
        assert added == Counter()
    if reading.service is not None and reading.service.acl_name not in ("other", "guarded"):
        twin = rendered_with(snapshot(*OTHERS, service("web", twin_of(labels, reading.service), younger=9)))
        assert shapes(added) == shapes(lines_of(twin) - lines_of(BASE))
    assert all(line.isprintable() for line in added)
    return reading.service is not None


@QUICK
@given(labels=LABELS)
@example(labels={"reqPathSearchReplace": "/a\u200b,/b"})
@example(labels={"users": "ann:secret"})
def test_any_text_in_any_label_adds_what_is_declared_and_nothing_else(labels: dict[str, str]) -> None:
    """The other services keep every line and every map entry."""
    check_island({**PLAIN, **labels})


@pytest.mark.parametrize("label", sorted(set(TABLE) - RAW))
@settings(QUICK, max_examples=25)
@given(text=TEXTS, index=st.sampled_from(["", ".1"]))
def test_any_text_in_each_label_adds_what_is_declared_and_nothing_else(label: str, text: str, index: str) -> None:
    """None of them is left to chance."""
    check_island({**PLAIN, f"{label}{index}": text})


NAME_KINDS = st.sampled_from(["req_ssl_sni", "req.ssl_sni -i -m", "ssl_fc_sni -m", "ssl_fc_sni_reg", "path", "x"])
NAME_LABELS = st.fixed_dictionaries(
    {
        "pathType": st.builds(" ".join, st.tuples(NAME_KINDS, st.sampled_from(["", "reg", "sub", "dom", "end", "-i"]))),
        "servicePath": TEXTS,
    },
    optional={
        "serviceDomain": TEXTS,
        "serviceDomainAlgo": st.sampled_from(["hdr_reg(host)", "hdr_sub(host)", "hdr_dom(host)"]),
        "srcPort": st.sampled_from(["443", "8443"]),
    },
)


@QUICK
@given(labels=NAME_LABELS)
@example(labels={"pathType": "req_ssl_sni -i -m reg", "servicePath": "^a$ -f /etc/passwd,reg,-i,--"})
@example(labels={"pathType": "req.ssl_sni", "servicePath": "a.x#443,*,b.x"})
@example(labels={"pathType": "req.ssl_sni", "servicePath": "A.x.:80,*b.x"})
def test_any_text_as_the_name_of_a_tls_connection_adds_what_is_declared_and_nothing_else(
    labels: dict[str, str],
) -> None:
    """The pattern of a rule is one word, and what a map cannot have is refused."""
    labels = {name: value.strip() for name, value in labels.items()}
    check_island({"reqMode": "sni", "port": "443", **labels})


@QUICK
@given(name=TEXTS)
@example(name="HTSL")
@example(name="alertName")
def test_any_text_as_a_label_key_is_reported_or_foreign(name: str) -> None:
    """An unknown key never reaches the configuration; one that may have been meant as a restriction closes."""
    rendered = rendered_with(snapshot(*OTHERS, service("web", {**PLAIN, name: "x"})))
    plain, closed = (f"backend web-be80_0 from {profile_of(more)}" for more in ({}, {"allowedSrc": "nowhere"}))
    added = lines_of(rendered) - lines_of(BASE) - Counter([""])
    assert added <= Counter([plain, "    server web 10.0.1.10:80"]) or added == Counter(
        [closed, "    server web 10.0.1.10:80"]
    )


def profile_of(more: dict[str, str]) -> str:
    """Return the profile of a service with more labels than a plain one."""
    return rendered_with(snapshot(*OTHERS, service("web", {**PLAIN, **more}))).backends["web-be80_0"].profile


def is_written(name: str) -> bool:
    """Tell whether a service of this name gets into the configuration."""
    try:
        world = snapshot(*OTHERS, service(name, PLAIN, younger=9))
    except ValidationError:
        return False
    return bool(lines_of(rendered_with(world)) - lines_of(BASE))


def test_service_name_that_is_not_one_word_is_refused() -> None:
    """Names come from stack files and requests as well, where nobody else has judged them."""
    assert is_written("web.1-a_b")
    names = [f"web{text}" for text in HOSTILE if not re.fullmatch(r"[\w.-]*", text)]
    assert [name for name in names if is_written(name)] == []


@QUICK
@given(content=TEXTS)
def test_any_text_in_a_secret_is_users_or_nobody(content: str) -> None:
    """What cannot be read as users closes the service."""
    surroundings = Surroundings(networks=SURROUNDINGS.networks, secrets={"dfp_users_x": content})
    world = snapshot(*OTHERS, service("web", {**PLAIN, "usersSecret": "x"}, younger=9))
    rendered = rendered_of(world, surroundings=surroundings)
    added = shapes(lines_of(rendered) - lines_of(rendered_of(snapshot(*OTHERS), surroundings=surroundings)))
    users = added.pop(("user", 4), 0)
    guarded = {("userlist", 2): 1, ("defaults", 4): 1, ("mode", 2): 1, ("http-request", 8): 1, ("http-request", 3): 1}
    assert added == Counter({("backend", 4): 1, ("server", 3): 1} | (guarded if users else {}))


@QUICK
@given(user=TEXTS, password=TEXTS)
def test_any_text_as_login_of_the_statistics_page_is_refused_or_one_word(user: str, password: str) -> None:
    """A setting that HAProxy cannot be given is refused when it is read, not at each reconcile."""
    try:
        given_settings = ProxySettings(stats_user=user, stats_pass=password)
    except ValidationError:
        return
    rendered = rendered_of(snapshot(), settings=given_settings)
    plain = rendered_of(snapshot(), settings=ProxySettings(stats_user="a", stats_pass="b"))
    if user and "none" not in (user, password):
        assert shapes(lines_of(rendered)) == shapes(lines_of(plain))


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy_takes_what_was_not_refused(version: str, tmp_path: Path) -> None:
    """A few hundred services whose labels are made of hostile and plausible pieces, all at once."""
    dice = random.Random(7)
    taken = []
    for number in range(4000):
        label = dice.choice(sorted(set(TABLE) - RAW))
        text = "".join(dice.choice([*PLAUSIBLE, *HOSTILE]) for _ in range(dice.randrange(1, 4)))
        labels = {"servicePath": f"/{number}", "port": "80", label: text}
        if text.isascii() and "(" not in text and read(labels).service is not None:
            taken.append(service(f"s{number}", labels))
    assert len(taken) > 200
    for number in range(400):
        kind = dice.choice(["req.ssl_sni", "req_ssl_sni -i -m sub", "ssl_fc_sni_end", "req.ssl_sni -m dom -i"])
        text = "".join(dice.choice([*PLAUSIBLE, *HOSTILE]) for _ in range(dice.randrange(1, 4)))
        labels = {"reqMode": "sni", "port": "443", "pathType": kind, "servicePath": text}
        if read(labels).service is not None:
            taken.append(service(f"n{number}", labels))
    assert sum(each.name.startswith("n") for each in taken) > 20
    assert refusal(haproxy_binary(version), rendered_of(snapshot(*taken)).files(), tmp_path) == ""
