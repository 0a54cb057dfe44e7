"""The Kubernetes API: client, kubeconfig, credentials, and the reconciler's Lease."""
