"""Hearth in a real Kubernetes: the manifests of examples/, as they are, on whichever cluster is up."""
