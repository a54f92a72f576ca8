"""A real Kubernetes cluster, on machines that have neither docker nor device-mapper.

The control plane runs in a network namespace of its own, and every node is a user-mode Linux guest
with containerd, kubelet and disks for LVM. It uses the standard library only, as the lab does.
"""
