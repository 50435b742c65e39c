"""The answer to a batch of orders: its documents, and the schemas that describe them."""

from collections.abc import Sequence
from typing import Any

from flask import Response
from marshmallow import fields

from orderengine.api.answers.documents import accepted_document, placed_document
from orderengine.api.answers.fields import AnswerSchema, text
from orderengine.api.answers.handlers import answer_to
from orderengine.api.answers.schemas import OrderSchema, ProblemSchema
from orderengine.domain.errors import ClientOrderIdTaken
from orderengine.domain.fields import Document
from orderengine.domain.order import Order
from orderengine.execution.intake.batch import Denied, Placed, Result

ACCEPTED = 202


class BatchResultSchema(AnswerSchema):
    """The answer to one order of a batch: either `order` or `problem` is present."""

    optional = frozenset({"order", "problem", "retry_after", "location"})

    status = fields.Integer(
        metadata={"description": "The status that the order alone would get: 202, or a problem's."}
    )
    order = fields.Nested(OrderSchema)
    problem = fields.Nested(ProblemSchema)
    retry_after = fields.Integer(
        metadata={"description": "The seconds after which the order may be accepted, if it waits."}
    )
    location = text("With `CLIENT_ORDER_ID_TAKEN`: the order that has this `clientOrderId`.")


class BatchSchema(AnswerSchema):
    """The answers to the orders of a batch, in its order."""

    results = fields.List(fields.Nested(BatchResultSchema))


def denial_document(answer: Response) -> Document:
    """The answer to a refused order, as a member of the answer to its batch."""
    document: Document = {"status": answer.status_code, "problem": answer.get_json()}
    if "Retry-After" in answer.headers:
        document["retryAfter"] = int(answer.headers["Retry-After"])
    if "Location" in answer.headers:
        document["location"] = answer.headers["Location"]
    return document


def batch_document(results: Sequence[Result]) -> Document:
    """The answer to a batch."""
    return {"results": [_result_document(each) for each in results]}


def _result_document(result: Result) -> dict[str, Any]:
    match result:
        case Placed(order=order, accepted=accepted):
            document = (
                placed_document(order)
                if isinstance(order, Order)
                else accepted_document(accepted, order)
            )
            return {"status": ACCEPTED, "order": document}
        case Denied(answer=answer):
            return dict(answer)
        case ClientOrderIdTaken():
            return denial_document(answer_to(result))
