"""The patterns: what the smallest programs of first_steps/ do not do yet, one step each."""
