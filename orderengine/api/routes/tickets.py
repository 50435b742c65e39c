"""Tickets: browsers cannot send a key with a WebSocket handshake, but they can send a ticket."""

from orderengine.api.answers.schemas import TicketSchema
from orderengine.api.context import current_ports
from orderengine.api.description import answer_examples
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.gate.access import current_caller
from orderengine.domain.fields import Document
from orderengine.domain.texts import time_text
from orderengine.execution.intake.keys import issue_ticket

blueprint = ApiBlueprint("access", __name__, url_prefix="/api", description="Tickets for sockets.")


@blueprint.post("/tickets")
@blueprint.doc(operationId="createTicket")
@blueprint.response(201, TicketSchema, example=answer_examples.TICKET)
@blueprint.problems(*BEHIND_THE_GATE)
def create_ticket() -> Document:
    """Create a ticket, which opens one socket of this client, once, within 30 seconds.

    For browsers, which can not send a key with a socket: `/ws/orders?orderId=…&ticket=…`.
    """
    ticket = issue_ticket(current_ports().keys, current_caller())
    return {"ticket": ticket.text, "expiresAt": time_text(ticket.expires_at)}
