"""What one process can know by itself."""
