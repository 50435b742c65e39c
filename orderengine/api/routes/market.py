"""The market as the engine sees it: the instruments, and the venues' quotes."""

from flask import request

from orderengine.api.answers.documents import instrument_document, quotes_document
from orderengine.api.answers.problems import ErrorCode
from orderengine.api.answers.schemas import InstrumentsSchema, RouteSchema
from orderengine.api.context import current_ports
from orderengine.api.description import answer_examples
from orderengine.api.description.openapi import BEHIND_THE_GATE, ApiBlueprint
from orderengine.api.validation.inputs import read_query
from orderengine.api.validation.schemas import QuoteQuerySchema
from orderengine.domain.errors import OrderDenied
from orderengine.domain.fields import Document
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.routing import RouteRequest
from orderengine.domain.side import Asset
from orderengine.execution.intake.notional import usdc_violation
from orderengine.execution.queries.find import find_route

blueprint = ApiBlueprint(
    "market", __name__, url_prefix="/api", description="Instruments and quotes."
)


@blueprint.get("/quotes")
@blueprint.doc(operationId="getQuotes")
@blueprint.takes_query(QuoteQuerySchema)
@blueprint.response(200, RouteSchema, example=answer_examples.ROUTE)
@blueprint.problems(
    *BEHIND_THE_GATE,
    ErrorCode.VALIDATION_FAILED,
    ErrorCode.NOT_OPEN,
    ErrorCode.INSUFFICIENT_LIQUIDITY,
    ErrorCode.NO_QUOTE,
)
def get_quotes() -> Document:
    """Compare the venues' current quotes for a swap.

    Each venue quotes the whole amount and, with `maxLegs`, a part of it. The amount is `quantity`,
    or `quoteQuantity` in USDC. Nothing is reserved: an order gets new quotes.
    """
    ports = current_ports()
    asked = read_query(QuoteQuerySchema(ports.instruments), request)
    instrument = ports.instruments.get(asked.pop("symbol"))
    usdc = asked.pop("quote_quantity", None)
    if usdc is None:
        amount, exact = instrument.base_units(asked.pop("quantity")), Asset.BASE
    elif found := usdc_violation(ports.notional.prices, instrument, usdc):
        raise OrderDenied(found)
    else:
        amount, exact = int(usdc.scaleb(USDC_DECIMALS)), Asset.QUOTE
    asked_for = RouteRequest(instrument=instrument, amount=amount, exact=exact, **asked)
    return quotes_document(asked_for, find_route(ports.board, asked_for))


@blueprint.get("/instruments")
@blueprint.doc(operationId="listInstruments")
@blueprint.response(200, InstrumentsSchema, example=answer_examples.INSTRUMENTS)
@blueprint.problems(*BEHIND_THE_GATE)
def get_instruments() -> Document:
    """List the instruments, with the limits of an order.

    A quantity is a multiple of `quantityStep`, from `minQuantity` to `maxQuantity`. A
    `quoteQuantity` is any amount with up to six decimals between the worth of the two.
    """
    return {"instruments": [instrument_document(each) for each in current_ports().instruments]}
