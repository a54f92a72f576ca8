"""The kit that every driver must pass, ours and others': `pytest --pyargs drivers.compliance`.

``--driver NAME`` picks a driver (all registered ones otherwise), ``--backend-config FILE`` says in YAML
what its backend is configured with. Everything on that backend belongs to the kit: **it deletes every
volume and snapshot there**. Our own drivers need no configuration in the lab (`tools/lab`), where the
kit makes backends on the lab's disks.

The static part (`test_static`) looks at the class and needs no backend. The others look at what the
driver does: at the bytes behind a connection, at what a new instance sees, and at what is left after
the process was killed between any two steps.
"""
