# One image for every process of Hearth: `hearth node`, `hearth controller` and what is to come.
#
# BASE is a slim Debian bookworm, with or without a Python of its own.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS system
# The programs that Hearth starts, each from the package it is in.
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -qq update; \
    command -v python3 >/dev/null || python=python3; \
    apt-get -qq install --yes --no-install-recommends ${python:-} \
        btrfs-progs e2fsprogs kmod lvm2 thin-provisioning-tools util-linux xfsprogs >/dev/null; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* \
        /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /usr/share/lintian

FROM system AS build
RUN set -eu; \
    python3 -c 'import ensurepip' 2>/dev/null || { \
        apt-get -qq update; \
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends python3-venv \
            >/dev/null; }; \
    python3 -m venv /opt/build
WORKDIR /src
# First what others wrote, so that a change of Hearth does not fetch it again.
COPY pyproject.toml ./
RUN set -eu; \
    python3 -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print("\n".join(project["dependencies"] + project["optional-dependencies"]["kubernetes"]))' > needs.txt; \
    /opt/build/bin/pip install --quiet --no-cache-dir --no-compile --prefix /opt/hearth -r needs.txt
COPY README.md LICENSE ./
COPY csi ./csi
COPY drivers ./drivers
# Of the client of Kubernetes, which is two thirds of everything, only what is used gets compiled.
RUN set -eu; \
    /opt/build/bin/pip install --quiet --no-cache-dir --no-compile --no-deps --prefix /opt/hearth .; \
    mv /opt/hearth/lib/python3.*/site-packages /opt/hearth/site-packages; \
    find /opt/hearth -name tests -type d -prune -exec rm -rf {} +; \
    printf '#!/bin/sh\nexec python3 -m csi "$@"\n' > /opt/hearth/bin/hearth; \
    python3 -m compileall -q -x '/(kubernetes|kopf)/' /opt/hearth/site-packages; \
    PYTHONPATH=/opt/hearth/site-packages python3 -c 'import csi.kube.endpoints, csi.kube.volumes'

FROM system
ARG VERSION=0
LABEL org.opencontainers.image.title="Hearth CSI" \
      org.opencontainers.image.description="Local volumes for Kubernetes, with LVM as the reference backend" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/hearth /opt/hearth
# gRPC would otherwise take part in every fork, which it need not: a new process is a program at once.
ENV PATH=/opt/hearth/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/hearth/site-packages \
    PYTHONDONTWRITEBYTECODE=1 \
    GRPC_ENABLE_FORK_SUPPORT=0
# The pods of nodes say otherwise: what opens devices has to be root.
USER 65532:65532
ENTRYPOINT ["hearth"]
