"""The embedded engine: server-side apply of the manifests as one ApplySet (KEP-3659).

Neither kr8s, lightkube nor kubernetes_asyncio implements ApplySets. `kubectl apply --applyset` does, but it detects
no drift, cannot stop at changes that need a confirmation, and would be a second binary to install.
"""
