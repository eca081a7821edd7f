"""Fault drill: breaks one thing after another under a running training, and watches."""
