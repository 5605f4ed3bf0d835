"""The picture in README.md shows what `hanscope demo` prints. After a wanted change: HANSCOPE_GOLDEN=write."""

import os
import re
from html import unescape
from pathlib import Path

from hanscope.picture import picture, shortened

FILE = Path(__file__).parents[2] / "docs" / "report.svg"


def test_the_picture_is_that_of_the_report():
    if os.environ.get("HANSCOPE_GOLDEN") == "write":
        FILE.write_text(picture(), "utf-8")
    drawn = re.sub(r"\s+", "", unescape("".join(re.findall(r"<text [^>]*>([^<]*)</text>", FILE.read_text("utf-8")))))
    said = re.sub(r"\s+", "", shortened(colours=False))
    assert said in drawn, "python -P -m hanscope.picture > docs/report.svg"
