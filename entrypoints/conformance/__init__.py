"""The kit with which partners examine what they have built against Harbor."""
