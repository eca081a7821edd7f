"""A real Kubernetes of one node on this machine, with nothing simulated and no image registry.

The programs are built from published sources (`programs`) and run inside namespaces of their own
(`node`), so that ending the cluster is ending one process. ``deploy/cluster`` (`main`) looks after
it; `cluster` is what tests use. All of it needs Linux, root and Python's standard library only.
"""
