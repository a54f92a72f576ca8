"""The Controller service for a whole cluster: finds the node that has the backend, and passes on."""
