"""What the API answers: documents and their schemas, problems and their codes."""
