"""Who asks near what he asked before looks for the boundary."""
