"""The market as the engine sees it: what can be traded, and what the venues would give."""

from flask import request

from orderengine.api.answers import InstrumentsSchema, RouteSchema
from orderengine.api.context import current_ports
from orderengine.api.documents import instrument_document, quotes_document
from orderengine.api.inputs import read_query
from orderengine.api.openapi import ApiBlueprint
from orderengine.api.schemas import QuoteQuerySchema
from orderengine.domain.documents import Document
from orderengine.execution.queries import compare_quotes

blueprint = ApiBlueprint(
    "market", __name__, url_prefix="/api", description="Instruments and quotes."
)


@blueprint.get("/quotes")
@blueprint.takes_query(QuoteQuerySchema)
@blueprint.response(200, RouteSchema)
@blueprint.problems(400, 422, 503)
def get_quotes() -> Document:
    """Compare what the venues would give now for a swap."""
    ports = current_ports()
    wanted = read_query(QuoteQuerySchema(ports.instruments), request)
    instrument = ports.instruments.get(wanted["symbol"])
    route = compare_quotes(ports.board, instrument, wanted["side"], wanted["quantity"])
    return quotes_document(**wanted, route=route)


@blueprint.get("/instruments")
@blueprint.response(200, InstrumentsSchema)
def get_instruments() -> Document:
    """List what can be traded, with the limits of an order."""
    return {"instruments": [instrument_document(each) for each in current_ports().instruments]}
