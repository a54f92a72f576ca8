"""The Controller service on the backends of this node.

servicer, convert     messages in, messages out; no rules
provisioner           rules of what changes: idempotency, locks, refusals before anything is done
inventory, capacity   rules of what only looks: lists, health, room
requests              what is asked for, and whether a volume that exists is that
parameters, access    what a StorageClass and a PersistentVolumeClaim may ask for
sizes, paging         arithmetic of sizes and of lists
abilities             what a driver can do
"""
