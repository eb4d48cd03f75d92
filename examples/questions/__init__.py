"""Questions: each program is the smallest that shows an answer."""
