"""Turns recordings into HTML for pages."""
