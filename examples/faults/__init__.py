"""Faults and their mends: each NAME_broken.py fails for real, each NAME_fixed.py does not."""
