"""Access to Kubernetes outside the engines: the API client, nodes, state of earlier passes, and direct writes.

Decoders, requests, kinds and slices are pure. Everything else performs I/O, with all requests sent through
`ics.cluster.api.client.KubeClient.send`. See `ics.cluster.api` for why no Kubernetes library is used.
"""
