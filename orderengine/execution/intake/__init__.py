"""Before the chain: who may order, within which limits, and accepting an order."""
