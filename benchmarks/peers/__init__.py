"""What Harbor is measured against: each peer is written as its own users would write it."""
