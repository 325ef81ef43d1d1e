# One image for both roles, `proxy` and `listener`: the official HAProxy image with Python and Swarmgate on top.

ARG HAPROXY_IMAGE=haproxy:3.4

FROM ${HAPROXY_IMAGE} AS build
USER root
RUN apt-get -q update \
    && apt-get -q -y install --no-install-recommends ca-certificates python3-venv
# pip stays in an environment of its own, so none of it is in the one that is shipped.
RUN python3 -m venv /tools \
    && /tools/bin/pip install --no-cache-dir 'hatchling>=1.25' \
    && python3 -m venv --without-pip /opt/swarmgate
WORKDIR /source
# What Swarmgate depends on changes less often than Swarmgate does.
COPY pyproject.toml requirements.lock ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        >/tmp/dependencies \
    && /tools/bin/pip --python /opt/swarmgate/bin/python install --no-cache-dir --no-compile --only-binary :all: \
        -c requirements.lock -r /tmp/dependencies
COPY README.md ./
COPY models models
COPY render render
COPY controller controller
RUN /tools/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/swarmgate/bin/python install --no-cache-dir --no-compile --no-deps /wheels/*.whl \
    && cd /opt/swarmgate/lib/python3*/site-packages \
    && find . -type d \( -name tests -o -name testing \) -prune -exec rm -r {} + \
    # Compiled beforehand, since at run time nothing can be written. Of the highlighter for terminals one language is used, if any.
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -x 'pygments/(lexers|styles)/' .

FROM ${HAPROXY_IMAGE}
USER root
RUN apt-get -q update \
    && apt-get -q -y install --no-install-recommends libpython3-stdlib python3-minimal \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
    # Debian leaves compiling the library to a package that is not needed otherwise.
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(test|pydoc_data|_pyrepl|xmlrpc|unittest)/' \
        /usr/lib/python3.* \
    # The only two folders that are written to. A tmpfs mounted over one takes its mode, but belongs to root.
    && install -d -m 1777 /var/lib/swarmgate /run/swarmgate
COPY --from=build /opt/swarmgate /opt/swarmgate
ENV PATH=/opt/swarmgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

LABEL org.opencontainers.image.title="Swarmgate" \
      org.opencontainers.image.description="Ingress for Docker Swarm: service labels to a converged HAProxy, without reloads." \
      org.opencontainers.image.licenses="MIT"

USER haproxy
WORKDIR /
# HTTP, HTTPS, and Swarmgate's own API.
EXPOSE 80 443 8080
# A replica is healthy once it has converged for the first time, and that may have to wait for a listener. A controller that
# died is back within seconds, and HAProxy serves meanwhile: not a reason to replace the task. Each check costs a new
# process in the container, so the interval is a compromise; --health-interval changes it. On a node that is overloaded
# that process is slow, too: to replace the task, and others with it, would be the worst that can be done there.
HEALTHCHECK --interval=5s --timeout=10s --start-period=10m --retries=5 \
    CMD ["/opt/swarmgate/bin/python", "-I", "-m", "controller.healthcheck"]
# The base image stops HAProxy with SIGUSR1, which is for HAProxy itself: here the controller drains it.
STOPSIGNAL SIGTERM
# The small init, without the weight of the rest of the command line (this is `swarmgate init -- swarmgate`).
ENTRYPOINT ["/opt/swarmgate/bin/python", "-I", "-m", "controller.init", "swarmgate"]
CMD ["proxy"]
