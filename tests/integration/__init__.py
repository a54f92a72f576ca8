"""Everything together on real devices: bytes are compared, not calls."""
