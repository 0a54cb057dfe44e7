"""An Interchain Security operator: takes part in consumer chains on a validator's behalf.

One pass, in `ics.reconciler.reconcile`:

    observe    the provider at one height, and what the cluster remembers
    desire     a pure function of what was observed, the settings and the secrets
    transact   the opt-ins and key assignments that are due, each confirmed
    converge   the objects of the set, through Pulumi or the embedded engine
    route      run-time state: signing memory, LoadBalancer endpoints
    report     conditions, texts that stay the same while nothing changes

Layers, from the top (import-linter holds the order): cli > loop > program, stack > provider, cluster,
engines > status > manifests > desired > the concepts > config > errors, model, labels.
"""
