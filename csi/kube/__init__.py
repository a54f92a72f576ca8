"""Everything that speaks to Kubernetes' API. The node process imports nothing from here."""
