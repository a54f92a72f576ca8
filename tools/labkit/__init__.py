"""The lab: a Linux kernel with device-mapper for any command, on machines whose own has none.

It uses the standard library only, so that it runs from a clean checkout.
"""
