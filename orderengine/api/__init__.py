"""The Flask application: parses requests, calls use cases, builds answers."""
