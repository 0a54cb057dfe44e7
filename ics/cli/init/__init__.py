"""`ics init`: a project folder and a stack file from what the provider and the cluster say, and from a few answers."""
