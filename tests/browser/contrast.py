"""The contrast of every text that a page shows, after WCAG 2.2 (1.4.3)."""

from typing import NamedTuple

from playwright.sync_api import Page

LEAST = 4.5

_MEASURE = """() => {
  const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const over = (below, css) => {
    probe.fillStyle = `rgb(${below})`;
    probe.fillRect(0, 0, 1, 1);
    probe.fillStyle = css;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = color => {
    const [red, green, blue] = color.map(part => part / 255).map(
      part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backgroundOf = element => {
    const chain = [];
    for (let each = element; each; each = each.parentElement) chain.unshift(each);
    return chain.reduce(
      (below, each) => over(below, getComputedStyle(each).backgroundColor), [255, 255, 255]);
  };
  const hasText = element => [...element.childNodes].some(
    node => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  return [...document.body.querySelectorAll('*')]
    .filter(element => hasText(element) && element.checkVisibility() && !element.disabled)
    .filter(element => !element.matches('option, noscript, .unseen, .skip'))
    .map(element => {
      const background = backgroundOf(element);
      const text = over(background, getComputedStyle(element).color);
      const [low, high] = [luminance(text), luminance(background)].sort((a, b) => a - b);
      return [element.textContent.trim().slice(0, 40), (high + 0.05) / (low + 0.05)];
    });
}"""


class Contrast(NamedTuple):
    """A text and its contrast to its background, from 1 to 21."""

    text: str
    ratio: float


def contrasts(page: Page) -> list[Contrast]:
    """The contrast of each visible text outside of the charts; disabled controls are exempt."""
    return [Contrast(text, ratio) for text, ratio in page.evaluate(_MEASURE)]
