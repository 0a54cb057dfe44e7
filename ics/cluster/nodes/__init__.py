"""Consumer nodes in the cluster: observing, querying and restarting them."""
