"""Questions: small programs, each the answer to one."""
