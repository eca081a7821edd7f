"""Hairpin: train a toy race car to lap from its camera, on a laptop or a cluster."""

__version__ = "0.1.0"
