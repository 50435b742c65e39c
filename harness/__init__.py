"""Starts the lines of the Procfile on given servers, for tests, benchmarks and the fault suite."""
