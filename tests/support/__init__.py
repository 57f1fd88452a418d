"""What the suite needs from outside itself: a real PostgreSQL and a real Redis, without Docker."""
