"""What is imported into the processes of a traced run: PYTHONPATH leads here."""
