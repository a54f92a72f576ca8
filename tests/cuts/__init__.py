"""Cuts under writers who rely on the order of their writes: hundreds of them, each looked at."""
