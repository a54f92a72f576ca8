"""The operator against a real API server and etcd, with nodes that keep their state in memory."""
