"""Policies as files for cars and for other programs, each checked against the one that trained."""
