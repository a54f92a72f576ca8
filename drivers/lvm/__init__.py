"""The reference backend: volumes are logical volumes of one LVM volume group.

LVM's own metadata is the database. Everything Hearth must know about a volume is in tags of its logical
volume, written in the same transaction as the change they describe, so that etcd and this process
may both be lost and nothing has to be reconciled with a file somewhere else.

    driver                                the interfaces, by calling the parts below
    volumes snapshots copies growth revert removal capacity setup     the rules, one part each
    backups                               copies of the metadata, which nothing here ever reads
    group                                 the volume group as the parts see it: read, change, devices
    host inventory config                 running LVM, naming its failures, knowing when to look again
    machine headers devicemapper blocks   what is asked and done without a program
    commands report names records layouts options   spelling and reading, no I/O at all
"""
