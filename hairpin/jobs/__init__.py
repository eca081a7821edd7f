"""Trainings as jobs of a Ray cluster: what is sent, and the cluster's job server."""
