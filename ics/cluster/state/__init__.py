"""State of earlier passes, stored in the objects of the cluster.

Labels and annotations of the managed objects are the only storage; a database or a custom resource would have to be
kept consistent with them.
"""
