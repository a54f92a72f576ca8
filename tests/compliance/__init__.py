"""Tests of the compliance kit itself: what it must accept, and above all what it must reject."""
