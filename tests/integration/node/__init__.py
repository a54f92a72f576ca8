"""The Node service's rules on real filesystems, mounts and thin volumes."""
