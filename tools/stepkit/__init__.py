"""The runner behind `make test`: named steps, in order, timed, with one table and one exit status.

It uses the standard library only, so that it runs wherever Python does.
"""
