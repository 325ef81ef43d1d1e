# One image for both roles, `proxy` and `listener`: the official HAProxy image with Python and Swarmgate on top.
#
# Built twice from the same source tree, base image and packages of Debian, it is the same to the byte (`make reproduce`):
# what a build makes anew bears the one time below, and a single process compiles Python, always with the same seed.

ARG HAPROXY_IMAGE=haproxy:3.4
# Seconds since 1970; that of the files in wheels.
ARG SOURCE_DATE_EPOCH=1580601600

FROM ${HAPROXY_IMAGE} AS build
ARG SOURCE_DATE_EPOCH
USER root
RUN apt-get -q update \
    && apt-get -q -y install --no-install-recommends ca-certificates python3-venv
WORKDIR /source
# What Swarmgate depends on changes less often than Swarmgate does.
COPY pyproject.toml requirements.lock ./
# pip stays in an environment of its own, so none of it is in the one that is shipped.
RUN python3 -m venv /tools \
    && /tools/bin/pip install --no-cache-dir -c requirements.lock hatchling \
    && python3 -m venv --without-pip /opt/swarmgate
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
    && PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -x 'pygments/(lexers|styles)/' . \
    && PYTHONHASHSEED=0 /opt/swarmgate/bin/python -c 'from render.environment import compile_all; compile_all()' \
    # The folders above it are copied with it, for those that a copy makes bear the time of that.
    && mkdir -p /image/opt && mv /opt/swarmgate /image/opt \
    && find /image -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

FROM ${HAPROXY_IMAGE}
ARG SOURCE_DATE_EPOCH
USER root
RUN touch /dev/shm/before \
    && apt-get -q update \
    && apt-get -q -y install --no-install-recommends libpython3-stdlib python3-minimal \
    && rm -f /var/lib/apt/lists/*_* /var/lib/apt/lists/lock /var/cache/apt/*.bin \
    # Emptied and not removed: what marks a removed file of the base image bears the time of that.
    && truncate --no-create --size 0 \
        /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/log/*.log /var/log/apt/* \
    # Debian leaves compiling the library to a package that is not needed otherwise.
    && PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(test|pydoc_data|_pyrepl|xmlrpc|unittest)/' /usr/lib/python3.* \
    # The only two folders that are written to. A tmpfs mounted over one takes its mode, but belongs to root.
    && install -d -m 1777 /var/lib/swarmgate /run/swarmgate \
    && find / -xdev -newer /dev/shm/before -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
COPY --from=build /image /
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
