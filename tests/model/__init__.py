"""A model of one validator's installations, with which the product's own code is tried against all harm.

`world` holds what the product only sees through its adapters: `chain` (a consumer chain and every vote on it), `provider`,
`cluster` (objects, disks, pods), and `files` with `shell` (the scripts of a pod, really run). `installation` runs passes
over it, `machine` harms it, and `calm` asks whether all is well in the end.
"""
