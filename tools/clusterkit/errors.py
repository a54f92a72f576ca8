"""What can go wrong in the cluster's own machinery, as opposed to in what runs on it."""

from tools.labkit.errors import LabFailed


class ClusterFailed(LabFailed):
    """The cluster cannot do what was asked; the message is for the person who asked."""
