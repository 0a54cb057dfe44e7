"""State that earlier passes left in the cluster."""
