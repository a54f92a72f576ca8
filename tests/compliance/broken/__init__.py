"""Drivers that are wrong in one way each, and the right one that they are made from."""
