"""Any text in any variable is refused with its name, or says in HAProxy's configuration what the variable is for."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from builders import rendered_of, service, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.test_injection import HOSTILE
from settings.samples import SAMPLES

from controller.environment import proxy_settings
from controller.errors import PermanentError
from models.settings import ProxySettings
from models.settings.raw import Raw
from render.files import Rendered

WORLD = snapshot(service("web", {"servicePath": "/web", "port": "80"}), service("tcp", {"reqMode": "tcp", "port": "1"}))
NOWHERE = Path("/nowhere")
WRITTEN_BY_OPERATORS = set(Raw.model_fields)
"""Variables that bring lines of the configuration; `tests/settings/test_extra_lines.py` tries them."""
SEVERAL_WORDS = {"default_ports", "bind_ports", "ssl_bind_options", "trusted_proxies", "compression_type", "users"}
SEVERAL_WORDS |= {"compression_algo", "capture_request_header"}
"""Variables that are lists, so that their lines have as many words as the lists."""
VARIABLES = sorted(set(ProxySettings.model_fields) - WRITTEN_BY_OPERATORS)
COMPANIONS: dict[str, dict[str, str]] = {
    "stats_user": {"stats_pass": "x"},
    "stats_pass": {"stats_user": "x"},
    "stats_uri": {"stats_user": "x", "stats_pass": "x"},
    "stats_port": {"stats_user": "x", "stats_pass": "x"},
    "listener_tls_cert": {"listener_tls_ca": "/x"},
    "listener_tls_ca": {"listener_tls_cert": "/x"},
    "listener_tls_key": {"listener_tls_cert": "/x", "listener_tls_ca": "/x"},
    "debug_http_format": {"debug": "true"},
    "debug_tcp_format": {"debug": "true"},
    "debug_errors_only": {"debug": "true"},
    "capture_request_header": {"debug": "true"},
    "users_pass_encrypted": {"users": "ann:$5$a$b"},
}
QUICK = settings(derandomize=True, max_examples=14)


def texts(name: str) -> st.SearchStrategy[str]:
    """Return texts that are near to what a variable takes, and others."""
    sample = SAMPLES[name][0]
    pieces = st.one_of(st.just(sample), st.sampled_from(HOSTILE), st.text(max_size=4))
    return st.lists(pieces, min_size=1, max_size=4).map("".join)


def rendered_with(name: str, text: str | None) -> Rendered | None:
    """Render the world under a setting; None if that is refused."""
    given_settings: dict[str, Any] = COMPANIONS.get(name, {}) | ({} if text is None else {name: text})
    try:
        read = proxy_settings(secrets_dir=NOWHERE, **given_settings)
    except PermanentError as error:
        words = str(error)
    else:
        return rendered_of(WORLD, settings=read)
    assert name.upper() in words
    assert words.isprintable()
    return None


def words_of(rendered: Rendered) -> list[list[str]]:
    """Return the words of each line, as HAProxy takes it apart (its quoting is that of a POSIX shell)."""
    lines = rendered.config.split("\n")
    assert all(line.isprintable() for line in lines)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def directives(name: str, rendered: Rendered) -> set[tuple[str, ...]]:
    """Return what the lines begin with, and how many words they have unless the variable is a list of words."""
    sections = {"backend", "defaults", "frontend", "global", "userlist"}
    found = set()
    for words in words_of(rendered):
        first = words[0] if words[0] not in sections else " ".join(words)
        found.add((re.sub(r"\d+", "0", first), "" if name in SEVERAL_WORDS else str(len(words))))
    return found


@pytest.mark.parametrize("name", VARIABLES)
@QUICK
@given(data=st.data())
def test_any_text_in_each_variable_is_refused_or_is_what_it_is_for(name: str, data: st.DataObject) -> None:
    """No directive appears that a plain value does not bring as well."""
    text = data.draw(texts(name))
    rendered = rendered_with(name, text)
    if rendered is None:
        return
    known = [plain for value in (None, SAMPLES[name][0]) if (plain := rendered_with(name, value))]
    assert known
    assert directives(name, rendered) <= set().union(*(directives(name, plain) for plain in known))
