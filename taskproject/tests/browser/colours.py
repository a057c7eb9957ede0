"""Whether a text can be read on its background: the contrast ratio of WCAG 2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from taskproject.tests.browser.browsing import Browser

type Colour = tuple[float, float, float, float]

# Every element that shows a text of its own, with the colours of what lies beneath it, nearest
# first, and the product of the opacities around it.
_TEXTS: Final = """
const shown = [];
for (const element of document.querySelectorAll('body, body *')) {
  const own = [...element.childNodes].map(n => n.nodeType === 3 ? n.data.trim() : '').join('');
  const style = getComputedStyle(element);
  if (!own || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
  if (element.matches('option, script, style, :disabled')) continue;
  let opacity = 1;
  const grounds = [];
  for (let each = element; each; each = each.parentElement) {
    grounds.push(getComputedStyle(each).backgroundColor);
    opacity *= getComputedStyle(each).opacity;
  }
  shown.push({tag: element.localName, text: own, colour: style.color, grounds, opacity,
              pixels: parseFloat(style.fontSize), weight: parseInt(style.fontWeight)});
}
return shown;
"""
_WHITE: Final[Colour] = (255, 255, 255, 1)


@dataclass(frozen=True, slots=True)
class Text:
    """A text on the page, as it is painted."""

    tag: str
    text: str
    colour: Colour
    ground: Colour
    large: bool

    @property
    def contrast(self) -> float:
        """From 1, which can't be seen, to 21, black on white."""
        darker, lighter = sorted((luminance(self.colour), luminance(self.ground)))
        return (lighter + 0.05) / (darker + 0.05)

    @property
    def is_readable(self) -> bool:
        """WCAG's AA: 4.5, and 3 for large text."""
        return self.contrast >= (3 if self.large else 4.5)


def texts(browser: Browser) -> list[Text]:
    """All texts that the page shows."""
    return [_text(found) for found in browser.driver.execute_script(_TEXTS)]


def _text(found: dict[str, Any]) -> Text:
    ground = _WHITE
    for each in reversed(found["grounds"]):
        ground = _over(_parse(each), ground)
    *channels, alpha = _parse(found["colour"])
    red, green, blue = channels
    painted = _over((red, green, blue, alpha * found["opacity"]), ground)
    large = found["pixels"] >= 24 or (found["pixels"] >= 18.66 and found["weight"] >= 700)
    return Text(found["tag"], found["text"], painted, ground, large)


def _parse(colour: str) -> Colour:
    """As browsers write a computed colour: rgb(1, 2, 3) or rgba(1, 2, 3, 0.5)."""
    assert colour.startswith("rgb"), colour
    red, green, blue, *alpha = (float(each) for each in re.findall(r"[\d.]+", colour))
    return red, green, blue, alpha[0] if alpha else 1


def _over(top: Colour, ground: Colour) -> Colour:
    red, green, blue = (
        upper * top[3] + lower * (1 - top[3])
        for upper, lower in zip(top[:3], ground[:3], strict=True)
    )
    return red, green, blue, 1


def luminance(colour: Colour) -> float:
    """From 0, black, to 1, white."""
    parts = (channel / 255 for channel in colour[:3])
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return sum(part * share for part, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
