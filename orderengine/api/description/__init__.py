"""The descriptions `/openapi.json` and `/asyncapi.json`, with their examples."""
