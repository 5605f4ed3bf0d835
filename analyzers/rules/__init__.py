"""Deviations: rules as records, and the engine that holds captures against them."""
