"""The LVM driver on real volume groups."""
