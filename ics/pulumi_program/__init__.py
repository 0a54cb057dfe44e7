"""The Pulumi program over the same manifests."""
