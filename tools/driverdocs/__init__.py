"""Writes docs/reference/drivers from the code, so that the reference cannot say what is not so.

Every page is a pure function of the registry and the interfaces. `--check` compares instead of
writing, and is a test; a public method without a docstring fails both.
"""
