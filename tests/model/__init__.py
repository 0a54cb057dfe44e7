"""A model of one validator's installations, with which the product's own code is tried against all harm.

`consumer` is the chain with every vote on it, `provider` the other chain with its endpoints, `cluster` has pods and
disks over the objects of `kube`, and `files` with `shell` really run the scripts of a pod. `installation` makes the
product's passes over all of that, `machine`, `sequences` and `universe` harm it, and `calm` asks whether all is well in
the end.
"""
