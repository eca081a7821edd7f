"""Reward functions that ship with Hairpin; each file is one a user could have written."""
