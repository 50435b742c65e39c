"""Values of the domain as JSON documents: the one form for storage, streams and answers.

Names are camelCase; prices, fees and amounts are decimal strings, times RFC 3339 in UTC. A
`_from` function reads back without loss the document of the `_document` function of its name.
"""

from orderengine.domain.codec import document_of, record_of, value_from
from orderengine.domain.events import OrderEvent
from orderengine.domain.fill import Fill, FillLeg
from orderengine.domain.order import Order
from orderengine.domain.routing import Quote, Route

quote_document, quote_from = document_of(Quote), value_from(Quote)
route_document, route_from = document_of(Route), value_from(Route)
fill_document, fill_from = document_of(Fill), value_from(Fill)
fill_leg_document, fill_leg_from = document_of(FillLeg), value_from(FillLeg)
event_document, event_from = document_of(OrderEvent), value_from(OrderEvent)

order_document = document_of(Order)
"""An order with its fields so far; one that is not known yet is absent, never null."""
order_record, order_from = record_of(Order), value_from(Order)
"""An order without signed bytes and `request_id`, for the cache."""
