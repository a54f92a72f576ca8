"""Everything that stores. Usable as a plain library: knows nothing of CSI or Kubernetes."""
