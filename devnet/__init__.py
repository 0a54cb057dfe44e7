"""Local network: three validators' hosts on one machine, with real chains and real clusters.

    python -m devnet build | up | down | status | demo

Each host (alice, bob, charlie; see `plan`) is a network namespace on one bridge (`hosts`), with a node of the
provider chain (`genesis`, `provider`) and its own Kubernetes cluster (`configs`, `pki`, `cluster`). `cloud`
assigns addresses to Services and volumes to claims; `owner` owns consumer chains and uses the operator's own
transactions; `identities` are keys that are public by design. `toolchain` and `images` build everything once into
a `cache`. `network` starts and removes the network.

All processes are in control groups of the network (`cgroups`, `processes`), so that none is lost if a program is
killed. No address is routed out of the machine. Network policies are accepted but not enforced, because the
clusters have no program for that.

kind, k3d and minikube are not used, because they require a container engine or virtual machines and download images.
Here, all programs are built from Go modules and Debian packages.
"""
