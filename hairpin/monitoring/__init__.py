"""Metrics of a training: gathered from its events, served to Prometheus."""
