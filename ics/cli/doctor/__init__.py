"""`ics doctor`: every check that is possible before something goes wrong, each with what to do.

`chain_checks`, `cluster_checks` and `findings` are pure; the `…_probes` and `registry` query; `run` runs all checks.
"""
