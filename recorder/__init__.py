"""Runs a program as a reader would, watches it from outside, and keeps what happened."""
