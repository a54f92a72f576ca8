# One image for every process of Hearth: `hearth node`, `hearth controller` and what is to come.
#
# BASE is a slim Debian bookworm, with or without a Python of its own.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS system
# The programs that Hearth starts, each from the package it is in, and LVM's library, which it keeps loaded.
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -qq update; \
    apt-get -qq upgrade --yes >/dev/null; \
    command -v python3 >/dev/null || python=python3; \
    apt-get -qq install --yes --no-install-recommends ${python:-} \
        btrfs-progs e2fsprogs kmod liblvm2cmd2.03 lvm2 thin-provisioning-tools util-linux xfsprogs \
        >/dev/null

FROM system AS build
RUN set -eu; \
    python3 -c 'import ensurepip' 2>/dev/null || python=python3-venv; \
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends ${python:-} \
        binutils >/dev/null; \
    python3 -m venv /opt/build
ENV PIP_QUIET=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# First what others wrote, so that a change of Hearth does not fetch it again. How pip reaches its index may
# be given as secrets: they are there while this runs, and in no layer.
COPY pyproject.toml ./
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca set -eu; \
    python3 -c 'import tomllib; all = tomllib.load(open("pyproject.toml", "rb")); \
print("\n".join(all["build-system"]["requires"]), file=open("builds.txt", "w")); its = all["project"]; \
print("\n".join(its["dependencies"] + its["optional-dependencies"]["kubernetes"]))' > needs.txt; \
    export PIP_CONFIG_FILE=/run/secrets/pip; \
    /opt/build/bin/pip install -r builds.txt; \
    /opt/build/bin/pip install --no-compile --target /opt/hearth/lib -r needs.txt
# Small, and the same bytes from the same files. The client of Kubernetes is as large as all others together,
# and a few of its modules are used: compiled and packed, they load as quickly. Nobody uses its asynchronous
# half, aio.
RUN set -eu; \
    cd /opt/hearth/lib; \
    rm -rf bin kubernetes/aio; \
    find . -name tests -type d -prune -exec rm -rf {} +; \
    find . -name '*.so' -exec strip --strip-unneeded {} +; \
    python3 -m compileall -q --invalidation-mode unchecked-hash -b kubernetes; \
    find kubernetes -name '*.py' -delete; \
    find . -exec touch --date=2000-01-01 {} +; \
    python3 -m zipfile -c ../kubernetes.zip kubernetes; \
    rm -rf kubernetes; \
    python3 -m compileall -q --invalidation-mode unchecked-hash .; \
    find .. -exec touch --date=2000-01-01 {} +
COPY README.md LICENSE ./
COPY csi ./csi
COPY drivers ./drivers
RUN set -eu; \
    /opt/build/bin/pip install --no-compile --no-deps --no-build-isolation --target /opt/own/app .; \
    cd /opt/own; \
    printf '#!/bin/sh\nexec python3 -P -m csi "$@"\n' > app/bin/hearth; \
    find app -name direct_url.json -delete; \
    python3 -m compileall -q --invalidation-mode unchecked-hash app; \
    find . -exec touch --date=2000-01-01 {} +
# For people who run LVM by hand in a node's pod, and for `hearth backend create` there: Debian's own
# configuration waits for a udevd that is out of reach, and holds the host's locks meanwhile.
RUN set -eu; \
    PYTHONPATH=/opt/own/app:/opt/hearth/lib python3 -c 'from drivers.lvm import config; \
print(config.by_hand(), end="")' > /opt/lvm.conf; \
    touch --date=2000-01-01 /opt/lvm.conf

# What installs packages and checks downloads is of no use from here on. It is purged rather than deleted, so
# that the package database goes on telling what is here. Of xfsprogs, xfs_scrub alone needs ICU, and
# Debian's Python where there is another.
FROM system AS trimmed
RUN set -eu; \
    purge() { \
        dpkg --purge --force-depends --force-remove-essential --force-remove-protected "$@" \
            >/tmp/said 2>&1 || { cat /tmp/said >&2; exit 1; }; \
        rm /tmp/said; \
    }; \
    purge adduser apt ca-certificates debian-archive-keyring gpgv libapt-pkg6.0 libgnutls30 libhogweed6 \
        libicu72 libidn2-0 libnettle8 libp11-kit0 libtasn1-6 libunistring2 login openssl passwd tzdata; \
    case $(command -v python3) in /usr/local/*) \
        purge libpython3-stdlib libpython3.11-minimal libpython3.11-stdlib python3 python3-minimal \
            python3.11 python3.11-minimal; \
    esac; \
    purge debconf perl-base; \
    rm -rf /var/cache/apt /var/log/* /usr/sbin/xfs_scrub*; \
    rm -rf /etc/apt /var/cache/debconf /usr/lib/*/gconv \
        /usr/share/doc /usr/share/info /usr/share/lintian /usr/share/locale /usr/share/man \
        /usr/local/bin/2to3* /usr/local/bin/idle* /usr/local/bin/pip* /usr/local/bin/pydoc* \
        /usr/local/lib/python3*/site-packages/*; \
    mkdir -p /var/lib/apt/lists; \
    cd "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"; \
    rm -rf ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo; \
    python3 -m compileall -q -f --invalidation-mode unchecked-hash .; \
    find / -xdev -type f -perm /6000 -exec chmod ug-s {} +; \
    ldconfig; \
    rm -rf /var/cache/ldconfig

# Copied as a whole, so that what was removed takes no room in a layer below.
FROM scratch
COPY --from=trimmed / /
# gRPC would otherwise take part in every fork, which it need not: a new process is a program at once.
ENV PATH=/opt/hearth/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/hearth/app:/opt/hearth/lib:/opt/hearth/kubernetes.zip \
    PYTHONDONTWRITEBYTECODE=1 \
    GRPC_ENABLE_FORK_SUPPORT=0
# The pods of nodes say otherwise: what opens devices has to be root.
USER 65532:65532
ENTRYPOINT ["hearth"]
ARG VERSION=0
LABEL org.opencontainers.image.title="Hearth CSI" \
      org.opencontainers.image.description="Local volumes for Kubernetes, with LVM as the reference backend" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/hearth /opt/hearth
COPY --from=build /opt/own /opt/hearth
COPY --from=build /opt/lvm.conf /etc/lvm/lvm.conf
