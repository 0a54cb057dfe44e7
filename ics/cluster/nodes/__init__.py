"""Consumer nodes in the cluster: observing, querying and restarting them.

Queries of RPC and REST go through the API server's pod proxy with `ics.cluster.api`, so that the reconciler needs no
network route to the pods; CometBFT and Cosmos client libraries cannot use that proxy.
"""
