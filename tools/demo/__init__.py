"""`make demo`: what volumes go through in their lives, on real LVM, with their bytes compared.

It is a CSI caller like kubelet and the sidecars, over the same socket; only reverting and copying
images, which CSI has no calls for, are asked of the provisioner itself. Whatever differs from what it
should be ends it with a status that is not zero.
"""
