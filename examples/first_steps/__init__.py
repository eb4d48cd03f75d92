"""The first steps: the smallest programs, each the one before and one idea more."""
