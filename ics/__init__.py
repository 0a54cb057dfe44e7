"""An Interchain Security operator: runs a validator's consumer chains.

One pass, `run_pass` in `ics.reconciler.reconcile`:

    observe    the provider at one height, and what earlier passes recorded in the cluster
    compute    the desired state, a pure function of what was observed, the settings and the secrets
    transact   opt-ins and key assignments, each confirmed
    converge   the objects in the cluster, through Pulumi or the embedded engine
    route      run-time state: LoadBalancer endpoints, sign state, relayers
    report     conditions, whose text does not change while nothing changes

Ten layers; each imports only from those below it (import-linter checks that):

    cli | pulumi_program
    reconciler
    engines
    cluster
    manifests | provider
    consumer
    relayer
    config | keys | names
    conditions | cosmos
    aio | errors | model
"""

import sys
from typing import Final

# httpx loads its own command line, with rich and pygments, unless that is missing: a tenth of the start of a process.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

VERSION: Final = "0.1.0"
"""Of this program. The images hold its code without the metadata of an installed package."""
