"""The status page: what the last pass found, as HTML and as JSON, for a browser at the reconciler's own port.

Everything is drawn from values in memory: a view never asks the provider or the cluster.
"""
