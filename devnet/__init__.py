"""The local network: three validators' hosts on one machine, with real chains and real clusters.

    python -m devnet build | up | down | status | demo

Each host (alice, bob, charlie; `plan`) is a network namespace on one bridge (`hosts`), with a node of the
provider chain (`genesis`, `provider`) and a Kubernetes cluster of its own (`configs`, `pki`, `cluster`).
`cloud` gives their Services addresses and their claims volumes; `owner` is somebody who owns consumer
chains, by the product's own transactions; `identities` are keys that are public by design. `toolchain` and
`images` build all of it, once, into a `cache`. `network` brings it up and takes it down.

What runs is in control groups of the network's own (`cgroups`, `processes`), so that nothing can be lost
when something is killed. No address of it is routed out of the machine. Network policies are accepted
but not enforced: the clusters have no program that would.
"""
