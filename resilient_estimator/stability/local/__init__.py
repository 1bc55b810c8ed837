"""Move a row a little: how stable is the answer to it, and the model as a whole."""
