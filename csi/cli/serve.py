"""The subcommands that serve until they are told to stop: all, node, controller and operator."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from csi import logs, settings
from csi.cli.arguments import EXIT_STATUS, add_config, add_grace, add_http, add_logging, add_tls
from drivers.errors import Invalid
from drivers.interface import load_drivers

if TYPE_CHECKING:
    from kubernetes import client

    from csi.app import controller
    from csi.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Add them to ``hearth``."""
    _add_all(commands)
    _add_node(commands)
    _add_controller(commands)
    _add_operator(commands)


def _add_all(commands: Commands) -> None:
    serve = _parser(commands, "all", "serve Identity, Controller and Node in one process")
    add_config(serve)
    endpoint = settings.default_endpoint()
    _add_endpoint(serve, endpoint, required=endpoint is None)
    add_http(serve)
    serve.add_argument("--alpha", action="store_true", help="serve what CSI marks as alpha, too")
    add_grace(serve)
    add_logging(serve)
    serve.set_defaults(command=_all)


def _add_node(commands: Commands) -> None:
    serve = _parser(commands, "node", "serve the volumes of this node to kubelet and controllers")
    add_config(serve)
    where = "in kubelet's directory: plugins/NAME/csi.sock"
    _add_endpoint(serve, settings.default_endpoint(), default=where)
    serve.add_argument(
        "--registration",
        metavar="unix:///PATH",
        help="the socket for kubelet to ask who is there"
        " (default: in its directory, plugins_registry/NAME-reg.sock)",
    )
    serve.add_argument(
        "--listen",
        default=":9810",
        metavar="[HOST]:PORT",
        help="where controllers call, with mutual TLS (default: %(default)s)",
    )
    add_tls(serve)
    serve.add_argument(
        "--manage-endpoint",
        default=settings.MANAGE_ENDPOINT,
        metavar="unix:///PATH",
        help="the socket for an administrator on this node (default: %(default)s)",
    )
    add_http(serve)
    add_grace(serve)
    add_logging(serve)
    serve.set_defaults(command=_node)


def _add_controller(commands: Commands) -> None:
    serve = _parser(commands, "controller", "serve the volumes of all nodes to the sidecars")
    add_config(serve, "controller")
    endpoint = settings.default_endpoint()
    _add_endpoint(serve, endpoint, required=endpoint is None)
    _add_nodes(serve)
    add_tls(serve)
    add_http(serve)
    add_grace(serve)
    add_logging(serve)
    serve.set_defaults(command=_controller)


def _add_operator(commands: Commands) -> None:
    serve = _parser(commands, "operator", "import, release and overview as custom resources")
    serve.add_argument(
        "--driver",
        default=settings.DRIVER_NAME,
        metavar="NAME",
        help="the driver whose resources it looks after (default: %(default)s)",
    )
    serve.add_argument(
        "--service", required=True, metavar="NAME", help="the Service of the node pods"
    )
    serve.add_argument(
        "--namespace", required=True, metavar="NAME", help="the namespace of that Service"
    )
    serve.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="how to reach the API (default: as the pod's service account)",
    )
    _add_nodes(serve)
    add_tls(serve)
    add_http(serve)
    add_grace(serve)
    add_logging(serve)
    serve.set_defaults(command=_operator)


def _add_nodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        type=_node_address,
        metavar="NAME=HOST:PORT",
        help="a node, instead of those that the Service names; once for each",
    )


def _parser(commands: Commands, name: str, what: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_endpoint(
    parser: argparse.ArgumentParser,
    given: str | None,
    *,
    required: bool = False,
    default: str = "",
) -> None:
    otherwise = f", or {default}" if default else ""
    parser.add_argument(
        "--endpoint",
        default=given,
        required=required,
        metavar="unix:///PATH",
        help=f"the socket to serve on (default: CSI_ENDPOINT of the environment{otherwise})",
    )


def _node_address(text: str) -> tuple[str, str]:
    from csi import web

    name, _, address = text.partition("=")
    try:
        host, port = web.parse(address)
    except Invalid:
        host, port = "", 0
    if not (name and host and port):
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=HOST:PORT")
    return name, address


def _all(options: argparse.Namespace) -> None:
    from csi.app import node

    _set_up_logs(options)
    drivers = load_drivers()
    serving = node.Serving(options.endpoint, options.http, options.alpha, options.grace)
    node.build(settings.read(options.config, drivers), drivers, serving).run()


def _node(options: argparse.Namespace) -> None:
    from csi.app import node

    _set_up_logs(options)
    drivers = load_drivers()
    its = settings.read(options.config, drivers)
    kubelet = node.kubelet_endpoints(its)
    serving = node.Serving(options.endpoint or kubelet.endpoint, options.http, grace=options.grace)
    registration = options.registration or kubelet.registration
    remote = node.Remote(registration, options.listen, options.tls, options.manage_endpoint)
    node.build(its, drivers, serving, remote=remote).run()


def _controller(options: argparse.Namespace) -> None:
    from csi.app import controller

    _set_up_logs(options)
    its = settings.read_controller(options.config)
    serving = controller.Serving(options.endpoint, options.tls, options.http, options.grace)
    discovery = _discovery(options.node, its)
    controller.build(its, load_drivers(), serving, discovery).run()


def _operator(options: argparse.Namespace) -> None:
    # Only here: it is most of the process, and nodes go without it.
    from csi.app import operator
    from csi.kube import client

    _set_up_logs(options)
    its = settings.of_operator(options.driver, options.service, options.namespace)
    connect = partial(client.from_file, options.kubeconfig) if options.kubeconfig else None
    serving = operator.Serving(options.tls, options.http, options.grace)
    reaching = connect or client.in_cluster
    operator.build(its, serving, _discovery(options.node, its, reaching), reaching).run()


def _discovery(
    nodes: Sequence[tuple[str, str]],
    its: settings.ControllerSettings,
    connect: Callable[[], client.ApiClient] | None = None,
) -> controller.Discovery:
    from csi.app import controller

    if nodes:
        return controller.Fixed(dict(nodes))
    # Only here: it is two thirds of the process, and nodes go without it.
    from csi.kube.client import in_cluster
    from csi.kube.endpoints import Endpoints

    return Endpoints(its.namespace, its.service, connect or in_cluster)


def _set_up_logs(options: argparse.Namespace) -> None:
    logs.set_up(logging.getLevelNamesMapping()[options.log_level], options.log_format)
