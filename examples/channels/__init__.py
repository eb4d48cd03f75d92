"""Programs that measure what each channel carries, and faster ways than the plain ones."""
