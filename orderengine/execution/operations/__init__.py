"""For operators: figures and counters, exports, pruning, housekeeping."""
