"""The real csi-sanity, run against the real `hearth all`, on real storage."""
