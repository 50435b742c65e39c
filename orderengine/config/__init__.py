"""Settings: reading environment variables, URLs of servers, listening addresses."""
