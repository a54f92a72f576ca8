"""kopf in a thread of its own: set up, run and stopped as a part of this process.

No peering: it is no lease (whoever loses goes on for a while, and two of one priority stop both), and
needs rights of its own. One replica with `Recreate` gives what it promises.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import kopf
from kubernetes import client

from csi.kube.api import Api, Refusal, Silent
from csi.kube.handlers import prefix
from csi.kube.kinds import Kind

log = logging.getLogger(__name__)

WORKERS = 8
"""Resources in work at a time; each holds a thread while it waits for a node."""
PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What kopf is run with. ``fill`` puts the handlers into a registry."""

    api: Api
    connect: Callable[[], client.ApiClient]
    driver: str
    kinds: Iterable[Kind]
    fill: Callable[[kopf.OperatorRegistry], None]


def _is_no_refusal(line: logging.LogRecord) -> bool:
    return "failed temporarily" not in line.getMessage()


class Operator:
    """Runs kopf from `start` until `stop`."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="reconcile")
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._ended = False

    def start(self) -> None:
        """Begin; that the API is away delays only."""
        if not log.isEnabledFor(logging.DEBUG):
            # It has a line for every event of every object, and an error for every refusal; what came of a
            # look is told by `turns`.
            logging.getLogger("kopf.objects").setLevel(logging.WARNING)
            logging.getLogger("kopf.objects").addFilter(_is_no_refusal)
        self._thread.start()

    def stop(self, grace: float) -> bool:
        """Take nothing up any more; whether what was in work ended within ``grace`` seconds."""
        self._stop.set()
        self._thread.join(grace)
        return not self._thread.is_alive()

    def ready(self) -> bool:
        """Whether objects are watched."""
        return self._ready.is_set() and self.alive()

    def alive(self) -> bool:
        """False if kopf has ended and nobody asked it to: then this process is of no use."""
        return not self._ended or self._stop.is_set()

    def _run(self) -> None:
        try:
            self._wait_for_kinds()
            if not self._stop.is_set():
                asyncio.run(self._operate())
        finally:
            self._ended = True
            self._threads.shutdown(wait=True)

    def _wait_for_kinds(self) -> None:
        """kopf looks once which kinds there are; what comes later it would never serve."""
        told = ""
        while not self._stop.is_set():
            if not (missing := self._missing()):
                return
            if missing != told:
                log.warning("waiting: %s", missing)
                told = missing
            self._stop.wait(PAUSE)

    def _missing(self) -> str:
        wanted: dict[str, set[str]] = {}
        for kind in self._setup.kinds:
            wanted.setdefault(kind.api, set()).add(kind.plural)
        try:
            for api, plurals in wanted.items():
                if absent := plurals - self._setup.api.serves(api):
                    return f"the cluster has no {', '.join(sorted(absent))} of {api}"
        except (Refusal, Silent) as error:
            return str(error)
        return ""

    async def _operate(self) -> None:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login")(self._login)
        self._setup.fill(registry)
        await kopf.operator(
            registry=registry,
            settings=settings(self._setup.driver, self._threads),
            # Of no use without peers, but kopf would put it together from the user's name, and a
            # container's user has none.
            identity=cast("Any", self._setup.driver),
            standalone=True,
            clusterwide=True,
            stop_flag=self._stop,
            ready_flag=self._ready,
        )

    def _login(self, **_rest: Any) -> kopf.ConnectionInfo:
        return credentials(self._setup.connect().configuration)


def credentials(found: client.Configuration) -> kopf.ConnectionInfo:
    """What kopf connects with: the same as everybody else here."""
    key: Mapping[str, Any] = found.auth_settings().get("BearerToken", {})
    scheme, _, token = str(key.get("value") or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        scheme=scheme or None,
        token=token or None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
    )


def settings(driver: str, threads: ThreadPoolExecutor) -> kopf.OperatorSettings:
    """kopf's settings: marks of our own, bounds for everything, and nothing posted that we do not say."""
    made = kopf.OperatorSettings()
    mine = prefix(driver)
    made.persistence.finalizer = f"{mine}/undo"
    made.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=mine, v1=False)
    made.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=mine, v1=False)
    made.posting.enabled = False
    # Looking for kinds and namespaces as they come would need the right to list all of them.
    made.scanning.disabled = True
    made.execution.executor = threads
    made.queueing.worker_limit = 2 * WORKERS
    made.networking.request_timeout = 30.0
    made.networking.connect_timeout = 5.0
    made.watching.connect_timeout = 5.0
    made.process.ultimate_exiting_timeout = None
    return made
