"""`ics doctor`: every check that can be made before something goes wrong, each with its mend.

`findings`, `chain` and `cluster` judge, and are pure; `probes` and `kube_probes` ask; `examination` runs all.
"""
