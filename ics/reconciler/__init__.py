"""The reconcile pass, and the daemon that repeats it.

No operator framework such as kopf is used: the desired state comes from the provider chain and the stack file, not
from custom resources, and passes must also run as a single command without a cluster-side controller.
"""
