"""The ways in: HTTP, the command line, the worker. They translate; they decide nothing."""
