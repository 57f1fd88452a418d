"""What Harbor does: one file per use case, over the domain and through ports.

Standard library only."""
