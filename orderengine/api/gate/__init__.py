"""What happens before each view: keys, limits, proxies, other origins, request ids."""
