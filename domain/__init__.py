"""What an order is and may become.

Standard library only: no I/O, no clock, no randomness, no async."""
