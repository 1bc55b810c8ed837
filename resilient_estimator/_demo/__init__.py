"""The demonstration: walk a model forward through time, and summarise what happens."""
