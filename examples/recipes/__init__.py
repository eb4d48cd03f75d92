"""Recipes: small complete programs to build a real one on."""
