"""Settings: every variable of the two roles, each with its documentation and default.

A field ``stats_user`` is the variable ``STATS_USER`` and the secret ``dfp_stats_user``; reading them is the business of
`controller.environment`.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from models.base import Frozen
from models.labels.authentication import User, parse_users
from models.raw.operator_lines import OperatorLines
from models.reading import LabelRules
from models.types import Allowed, Flag, ListOf, Port, reject_markup

Seconds = Annotated[float, Field(gt=0, le=86400 * 7), Allowed("a number of seconds")]


class Bind(Frozen):
    """A port that the HTTP frontend listens on (an item of ``DEFAULT_PORTS``, such as ``8443 accept-proxy:ssl``)."""

    port: Port
    accept_proxy: bool = False
    ssl: bool = False

    def __str__(self) -> str:
        return f"{self.port}{' accept-proxy' if self.accept_proxy else ''}{':ssl' if self.ssl else ''}"


def _to_bind(item: object) -> object:
    if not isinstance(item, str):
        return item
    match = re.fullmatch(r"(?P<port>[0-9]+)(?P<proxy> +accept-proxy)?(?P<ssl>:ssl)?", item)
    if not match:
        raise ValueError("is not a port, such as 80, 443:ssl or '443 accept-proxy:ssl'")
    return Bind(port=int(match["port"]), accept_proxy=bool(match["proxy"]), ssl=bool(match["ssl"]))


BindPort = Annotated[Bind, BeforeValidator(_to_bind)]


def _to_users(value: object) -> object:
    return parse_users(value) if isinstance(value, str) else value


def _checked_words(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._+:=!@-]+( [A-Za-z0-9._+:=!@-]+)*", value):
        raise ValueError("is not a list of words divided by single spaces")
    return value


def _checked_ciphers(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_+:!@=-]+", value):
        raise ValueError("is not a list of ciphers divided by ':'")
    return value


def _checked_file(value: Path | None) -> Path | None:
    if value is not None and not (value.is_absolute() and str(value).isprintable()):
        raise ValueError("is not an absolute path")
    return value


def _checked_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9/._~?=&-]*", value):
        raise ValueError("is not a path that begins with '/'")
    return reject_markup(value)


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("contains a line break or another character that cannot be printed")
    return value


def _one_line_secret(value: SecretStr) -> SecretStr:
    _one_line(value.get_secret_value())
    return value


class Settings(Frozen):
    """What both roles share."""

    ip: Annotated[str, Field(description="Address the API listens on.")] = "0.0.0.0"  # noqa: S104 - in a container
    port: Annotated[Port, Field(description="Port the API listens on.")] = 8080
    service_name: Annotated[
        str, Field(description="Name of the proxy's own Swarm service; in a stack, `<stack>_proxy`.")
    ] = "proxy"
    docker_host: Annotated[str, Field(description="The Docker API (`unix:///path` or `tcp://host:port`).")] = (
        "unix:///var/run/docker.sock"
    )
    df_notify_label: Annotated[str, Field(description="The label by which services opt in.")] = "com.df.notify"
    listener_token: Annotated[
        SecretStr | None,
        Field(description="Shared secret between listeners and proxies; best given as secret `dfp_listener_token`."),
    ] = None
    state_dir: Annotated[Path, Field(description="Folder for what must survive a restart of the controller.")] = Path(
        "/var/lib/swarmgate"
    )
    api_token: Annotated[
        SecretStr | None,
        Field(description="Token of those who may change things through the API; best as secret `dfp_api_token`."),
    ] = None
    api_writes: Annotated[
        Literal["token", "open"],
        Field(description="Who may change things through the API: `token`, or (`open`) everybody who can reach it."),
    ] = "token"
    resync_interval: Annotated[
        Seconds, Field(description="Seconds between two reconciles when nothing seems to have changed.")
    ] = 30
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least important messages to log.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"], Field(description="`auto`: text on a terminal, JSON otherwise.")
    ] = "auto"


Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class ListenerSettings(Settings):
    """Variables of ``swarmgate listener``."""

    df_notify_create_service_url: Annotated[
        ListOf[str], Field(description="URLs that are told of every running service (also secret of the same name).")
    ] = ()
    df_notify_remove_service_url: Annotated[
        ListOf[str], Field(description="URLs that are told of services that are gone (also secret of the same name).")
    ] = ()
    df_notify_create_node_url: Annotated[
        ListOf[str], Field(description="URLs that are told of every node (also secret of the same name).")
    ] = ()
    df_notify_remove_node_url: Annotated[
        ListOf[str], Field(description="URLs that are told of nodes that are gone (also secret of the same name).")
    ] = ()
    df_notif_create_service_url: Annotated[
        ListOf[str], Field(description="Former name of `DF_NOTIFY_CREATE_SERVICE_URL`.")
    ] = ()
    df_notif_remove_service_url: Annotated[
        ListOf[str], Field(description="Former name of `DF_NOTIFY_REMOVE_SERVICE_URL`.")
    ] = ()
    df_notification_url: Annotated[
        ListOf[str],
        Field(description="Former name of both `DF_NOTIFY_CREATE_SERVICE_URL` and `DF_NOTIFY_REMOVE_SERVICE_URL`."),
    ] = ()
    df_notify_create_service_method: Annotated[
        ListOf[Method], Field(description="HTTP method for each create URL; the last one also for those that follow.")
    ] = ("GET",)
    df_notify_remove_service_method: Annotated[
        ListOf[Method], Field(description="HTTP method for each remove URL; the last one also for those that follow.")
    ] = ("GET",)
    df_retry: Annotated[
        int, Field(ge=0, description="Accepted for compatibility: what is true is told until it is accepted.")
    ] = 50
    df_retry_interval: Annotated[
        float, Field(ge=0, le=3600, description="Seconds between two attempts to tell something, after the first few.")
    ] = 5
    df_service_name_prefix: Annotated[
        str, Field(description="Put before every service name, with `_`, in what others are told.")
    ] = ""


class ProxySettings(Settings):
    """Variables of ``swarmgate proxy``."""

    listener_address: Annotated[
        ListOf[str], Field(description="Host (or host:port) of the listeners; several are a union.")
    ] = ()
    stack_file: Annotated[
        Path | None, Field(description="A compose file to take services from, instead of a Swarm.")
    ] = None
    default_ports: Annotated[
        ListOf[BindPort],
        Field(description="Ports of the HTTP frontend, each optionally followed by ` accept-proxy` and by `:ssl`."),
    ] = (Bind(port=80), Bind(port=443, ssl=True))
    bind_ports: Annotated[
        ListOf[BindPort],
        Field(description="More ports of the HTTP frontend, in the form of `DEFAULT_PORTS`."),
    ] = ()
    certs_dir: Annotated[
        Path,
        Field(description="Folder of certificates; its folder `ca` has authorities for `com.df.sslVerifyCa`."),
    ] = Path("/certs")
    errorfiles_dir: Annotated[
        Path, Field(description="Folder of your own error pages, `<status>.http`, read when the proxy starts.")
    ] = Path("/errorfiles")
    preferred_certificate: Annotated[
        ListOf[str],
        Field(
            description="Patterns of certificate files (`*.example.com.pem`); the first one that matches is shown to "
            "clients that name no host."
        ),
    ] = ()
    crt_list_path: Annotated[
        Path | None,
        AfterValidator(_checked_file),
        Field(description="A crt-list of your own, used instead of the one that is made from all certificates."),
    ] = None
    ca_file: Annotated[
        Path | None,
        AfterValidator(_checked_file),
        Field(description="Authorities that client certificates are verified with, see `com.df.verifyClientSsl`."),
    ] = None
    enable_h2: Annotated[Flag, Field(description="Speak HTTP/2 with TLS clients that can.")] = True
    enable_h3: Annotated[Flag, Field(description="Speak HTTP/3 with TLS clients that can, where HAProxy has QUIC.")] = (
        False
    )
    ssl_bind_options: Annotated[
        str, AfterValidator(_checked_words), Field(description="HAProxy's `ssl-default-bind-options`.")
    ] = "ssl-min-ver TLSv1.2 no-tls-tickets"
    ssl_bind_ciphers: Annotated[
        str, AfterValidator(_checked_ciphers), Field(description="Ciphers of TLS 1.2, `ssl-default-bind-ciphers`.")
    ] = (
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    )
    stats_user: Annotated[
        str, AfterValidator(_one_line), Field(description="User of the statistics page; without it there is no page.")
    ] = ""
    stats_pass: Annotated[
        SecretStr, AfterValidator(_one_line_secret), Field(description="Password of the statistics page.")
    ] = SecretStr("")
    stats_uri: Annotated[str, BeforeValidator(_checked_path), Field(description="Where the statistics page is.")] = (
        "/admin?stats"
    )
    users: Annotated[
        tuple[User, ...],
        BeforeValidator(_to_users),
        Field(description="Users who may access all services that do not declare their own (`name:password,...`)."),
        Allowed("name:password pairs divided by ','"),
    ] = ()
    users_pass_encrypted: Annotated[Flag, Field(description="The passwords in `USERS` are crypt(3) hashes.")] = False
    separator: Annotated[
        str, Field(min_length=1, max_length=1, description="Divides the items of lists in labels.")
    ] = ","
    allow_raw_config: Annotated[
        Flag,
        Field(
            description="Let services bring lines of HAProxy's configuration (`com.df.backendExtra`, "
            "`com.df.templateFePath`, `com.df.templateBePath`)."
        ),
    ] = True
    extra_frontend: Annotated[
        str,
        Field(
            description="Lines for the HTTP frontend, divided by line breaks, or else by commas outside of quotes and "
            "brackets. `{{ NAME }}` puts in the value of a variable that is no secret; all of Jinja2's `if` and `for` "
            "may be used."
        ),
    ] = ""
    extra_global: Annotated[
        str, Field(description="Lines for HAProxy's section `global`, in the form of `EXTRA_FRONTEND`.")
    ] = ""
    templates_dir: Annotated[
        Path,
        AfterValidator(_checked_file),
        Field(description="Folder of the files for `com.df.templateFePath` and `com.df.templateBePath`."),
    ] = Path("/cfg/tmpl")
    filter_proxy_instance_name: Annotated[
        Flag, Field(description="Publish only services whose `com.df.proxyInstanceName` is `PROXY_INSTANCE_NAME`.")
    ] = False
    proxy_instance_name: Annotated[str, Field(description="The name of this proxy among several of one Swarm.")] = (
        "docker-flow"
    )
    endpoints: Annotated[
        Literal["vip", "tasks"],
        Field(description="`vip`: Swarm's virtual IPs balance the load; `tasks`: HAProxy does, for all services."),
    ] = "vip"
    timeout_connect: Annotated[Seconds, Field(description="Seconds to connect to a service.")] = 5
    timeout_client: Annotated[Seconds, Field(description="Seconds a client may be silent.")] = 20
    timeout_server: Annotated[Seconds, Field(description="Seconds a service may be silent.")] = 20
    timeout_queue: Annotated[Seconds, Field(description="Seconds a request may wait for a free connection.")] = 30
    timeout_tunnel: Annotated[Seconds, Field(description="Seconds a tunnel (WebSocket) may be silent.")] = 3600
    timeout_http_request: Annotated[Seconds, Field(description="Seconds for a request's headers to arrive.")] = 5
    timeout_http_keep_alive: Annotated[Seconds, Field(description="Seconds to wait for the next request.")] = 15
    maxconn: Annotated[
        int | None, Field(ge=10, description="Most connections at once; by default as many as the machine allows.")
    ] = None
    haproxy_binary: Annotated[
        str | None, Field(description="The HAProxy to run; by default the one on PATH, or the embedded one.")
    ] = None
    run_dir: Annotated[Path, Field(description="Folder for sockets; its path must be short.")] = Path("/run/swarmgate")
    drain_timeout: Annotated[
        Seconds, Field(description="Seconds that connections get to end when the proxy is stopped.")
    ] = 30

    @model_validator(mode="after")
    def _stats_need_both(self) -> "ProxySettings":
        if bool(self.stats_user) != bool(self.stats_pass.get_secret_value()):
            raise ValueError("STATS_USER and STATS_PASS must be set together")
        return self

    @model_validator(mode="after")
    def _extra_lines_are_lines(self) -> "ProxySettings":
        self.extra_lines  # noqa: B018 - it raises what is wrong with them
        return self

    @cached_property
    def extra_lines(self) -> OperatorLines:
        """The lines of ``EXTRA_FRONTEND`` and ``EXTRA_GLOBAL``."""
        return OperatorLines.of(self)

    @property
    def binds(self) -> tuple[Bind, ...]:
        """All ports of the HTTP frontend; of several entries for one port the first one counts."""
        entries: dict[int, Bind] = {}
        for bind in (*self.default_ports, *self.bind_ports):
            entries.setdefault(bind.port, bind)
        return tuple(entries.values())

    @property
    def label_rules(self) -> LabelRules:
        """How labels are read under these settings."""
        return LabelRules(
            separator=self.separator,
            notify_label=self.df_notify_label,
            allow_raw_config=self.allow_raw_config,
            templates_dir=str(self.templates_dir),
        )
