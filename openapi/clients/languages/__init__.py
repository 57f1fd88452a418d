"""One file per language: how its client is generated and compiled, and what carries out the
journey. The sources of the journeys are beside this package."""
