"""The Pulumi engine, which runs the project's Pulumi program with its CLI.

Its library, the Automation API, wraps the CLI; only its command and its errors are used. The modules other than
`engine` and `session` compensate for measured gaps of that CLI: locks that outlive a crashed run (`locks`, `pods`),
pending operations (`session`), error texts without codes (`errors`),
copies of the kubeconfig that its plugin does not delete (`kubeconfig_copies`), and runs that continue after the
pass was cancelled (`supervision`). No library covers these.
"""
