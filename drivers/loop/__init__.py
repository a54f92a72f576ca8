"""Volumes as sparse files on loop devices: for machines without device-mapper, and for laptops."""
