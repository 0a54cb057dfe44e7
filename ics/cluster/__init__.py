"""What reads and writes Kubernetes outside the engines.

Pure, and so without a client: `kinds`, `kubeconfig`, `requests`, `answers`, `recollection`, `sighting` and
`slices`. Effects: all the rest, every request through `client.Client.send`.
"""
