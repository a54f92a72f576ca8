"""The Manage service: what Hearth's own processes ask of a node beyond CSI."""
