"""The text that the user reads once everything is ready."""

from orderengine.local.environment import Addresses

_BLOCK = """
  orderengine is ready

    Page and API  http://{api}
    Reference     http://{api}/docs
    WebSocket     ws://{api}/ws/orders?orderId=...
    Flower        http://{flower}
{network}
    An order and its updates:   make order
    The same without updates:
      curl -s -X POST http://{api}/api/orders/execute \\
        -H 'Content-Type: application/json' \\
        -d '{{"symbol": "AAPL", "side": "buy", "quantity": 10}}'

    Stop everything:            Ctrl-C
"""


def ready_block(addresses: Addresses, localnet_url: str | None = None) -> str:
    """The addresses, an order to copy, and how to stop."""
    network = "" if localnet_url is None else f"    Localnet      {localnet_url}\n"
    return _BLOCK.format(api=addresses.api.netloc, flower=addresses.flower.netloc, network=network)
