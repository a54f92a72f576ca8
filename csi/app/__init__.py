"""The composition root: the one place that knows every box, a module for each kind of process."""

from importlib import metadata


def version() -> str:
    """The version of Hearth that is installed."""
    return metadata.version("hearth-csi")
