"""Many participants, one cluster: whose a job is, what each may use, and whose turn it is."""
