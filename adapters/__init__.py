"""The outside, one technology per folder. Adapters never import each other."""
