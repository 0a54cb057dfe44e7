"""The Pulumi program, which declares the same manifests as the embedded engine applies.

It uses pulumi-kubernetes; its own code is limited to grouping manifests into components.
"""
