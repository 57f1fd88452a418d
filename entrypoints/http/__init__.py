"""HTTP: routes, wire schemas, errors and the limits at the edge."""
