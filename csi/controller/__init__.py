"""The Controller service on the backends of this node.

servicer, convert     messages in, messages out; no rules
provisioner           rules of what changes: idempotency, locks, refusals before anything is done
inventory             rules of what only looks: lists, capacity, health
parameters, access    what a StorageClass and a PersistentVolumeClaim may ask for
"""
