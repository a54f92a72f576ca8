"""The LVM driver on a machine in memory: no root, no device-mapper, milliseconds a test."""
