"""`docs/image-formats.md` says what the formats say of themselves."""

from pathlib import Path

from hanscope.dissectors.images.registry import FORMATS
from hanscope.formatdocs import page

PAGE = Path(__file__).parents[2] / "docs" / "image-formats.md"


def test_the_page_is_up_to_date():
    """Made anew with `python -m hanscope.formatdocs > docs/image-formats.md`."""
    assert PAGE.read_text("utf-8") == page()


def test_every_module_of_a_format_is_on_the_page():
    folder = Path(__file__).parents[2] / "dissectors" / "images"
    modules = [module for module in folder.glob("*.py") if "FORMAT: Final =" in module.read_text("utf-8")]
    assert len(modules) > 20
    text = page()
    titles = text.count("\n### ")
    # Two of compressed content are in one module.
    assert titles == len(modules) + 2
    for known in FORMATS:
        assert f"\n### {known.name}\n" in text
