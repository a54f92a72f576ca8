"""Everything that speaks a protocol: CSI to the sidecars and kubelet, and the management API."""
