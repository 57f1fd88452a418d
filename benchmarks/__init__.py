"""The benchmark anyone can run: `make bench`. How and why is in docs/performance.md."""
