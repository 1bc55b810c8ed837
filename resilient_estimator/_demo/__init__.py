"""The demonstration: a model that walks through time, and what it learns."""
