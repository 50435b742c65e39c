"""The live page as a person uses it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

TIMEOUT_MS = 20_000
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PHONE_OPTIONS = {"viewport": PHONE, "is_mobile": True, "has_touch": True}


class Desk:
    """One window on the page. `problems` are the messages of the console, `expected` or not."""

    def __init__(self, browser: Browser, base_url: str, **options: Any) -> None:
        context = browser.new_context(base_url=base_url, **{"viewport": DESKTOP, **options})
        context.set_default_timeout(TIMEOUT_MS)
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.expected: list[str] = []
        self.sockets: list[str] = []
        self.requests: list[Request] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108
        self.page.on("websocket", lambda socket: self.sockets.append(socket.url))

    def close(self) -> None:
        self.page.context.close()

    @property
    def unexpected(self) -> list[str]:
        """The problems that no test expects."""
        return [text for text in self.problems if not any(each in text for each in self.expected)]

    def open(self, path: str = "/") -> "Desk":
        """Go there, and wait until the ticket can be used."""
        self.page.goto(path)
        return self.wait_until_usable()

    def wait_until_usable(self) -> "Desk":
        """Wait until the ticket can be used."""
        expect(self.page.locator("#submit")).to_have_text(re.compile("AAPL"))
        return self

    def fill(self, **values: str) -> None:
        """Fill the fields of the ticket, in this order; `side` and `type` are names of choices."""
        for name, value in values.items():
            if name in {"side", "type"}:
                self.page.locator(f"label[for={value}]").click()
            elif name in {"symbol", "maxLegs", "unit", "timeInForce", "on"}:
                self.page.select_option(f"#{name}", value)
            else:
                self.page.fill(f"#{name}", value)

    def submit(self, **values: str) -> str:
        """Place an order; returns its id once the page shows it."""
        shown = self.order_id
        self.fill(**values)
        self.page.click("#submit")
        self.page.wait_for_function(
            "shown => ![undefined, shown].includes(document.querySelector('#order-body')"
            ".dataset.orderId)",
            arg=shown,
        )
        assert self.order_id is not None
        return self.order_id

    @property
    def order_id(self) -> str | None:
        """The order that is shown."""
        return self.page.locator("#order-body").get_attribute("data-order-id")

    def wait_for(self, status: str) -> None:
        """Wait until the order that is shown has this status."""
        expect(self.page.locator("#order-status")).to_have_text(status)

    @property
    def steps(self) -> list[tuple[int, str]]:
        """The steps that are shown: number and status."""
        rows: list[list[str]] = self.page.locator(".steps li").evaluate_all(
            "rows => rows.map(row => [row.dataset.seq, row.dataset.status])"
        )
        return [(int(seq), status) for seq, status in rows]

    def link(self, state: str) -> None:
        """Wait until the page says that the order's connection is in this state."""
        expect(self.page.locator("#order-link")).to_have_attribute("data-state", state)

    def rule_of(self, field: str) -> str:
        """The message beside a field."""
        return self.page.locator(f'[data-field="{field}"] .rule').inner_text().removeprefix("▲ ")

    def rows(self) -> Sequence[str]:
        """The ids of the recent orders that are listed."""
        ids: list[str] = self.page.locator("#orders-table tr[data-order-id]").evaluate_all(
            "rows => rows.map(row => row.dataset.orderId)"
        )
        return ids

    def focused(self) -> str:
        """The id of the element that has the focus."""
        found: str = self.page.evaluate("document.activeElement.id")
        return found

    def overflow_px(self) -> int:
        """By how much the page is wider than its window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        viewport = self.page.viewport_size
        assert viewport is not None
        return max(0, width - viewport["width"])

    def shoot(self, path: Path, part: str = "body") -> None:
        """Write a picture of the whole page, or of a part, once its charts have some data."""
        for _ in range(5):
            with self.page.expect_response(re.compile("/api/quotes.*slippageBps")):
                pass
        expect(self.page.locator("#activity dd").first).not_to_have_text("0")
        self.page.evaluate("scrollTo(0, 0)")
        if part == "body":
            self.page.screenshot(path=path, full_page=True, animations="disabled")
        else:
            self.page.locator(part).screenshot(path=path, animations="disabled")

    def _heard(self, message: ConsoleMessage) -> None:
        # On a busy machine no venue may answer within its second: the page then asks again.
        has_no_quote = "503" in message.text and "/api/quotes" in message.location["url"]
        if message.type in {"error", "warning"} and not has_no_quote:
            self.problems.append(message.text)
