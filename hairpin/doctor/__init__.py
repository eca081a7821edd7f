"""What `hairpin doctor` looks at: this machine, and a cluster."""
