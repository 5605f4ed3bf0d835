"""`docs/layers.md` says what the classes say."""

from pathlib import Path

from hanscope.analyzers.framefields import fields_of
from hanscope.dissectors.zigbee.zcl import GENERAL_COMMANDS, cluster_commands
from hanscope.dissectors.zigbee.zdp import ZDP_COMMANDS
from hanscope.layerdocs import page

PAGE = Path(__file__).parents[2] / "docs" / "layers.md"


def test_the_page_is_up_to_date():
    """Made anew with `python -m hanscope.layerdocs > docs/layers.md`."""
    assert PAGE.read_text("utf-8") == page()


def sections():
    """The lines of the page by the layer that they are about."""
    found = {}
    for section in PAGE.read_text("utf-8").split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        found.setdefault(title.split()[-1], []).append((title, body.partition("\n## ")[0]))
    return found


def test_every_command_has_its_section_with_all_its_fields():
    described = sections()
    commands = [
        *((f"0x{number:02x}", cls) for _, number, _, cls in cluster_commands()),
        *((f"0x{number:02x}", cls) for number, cls in GENERAL_COMMANDS.items()),
        *((f"0x{number:04x}", cls) for number, cls in ZDP_COMMANDS.items()),
    ]
    assert len(commands) > 200
    for number, cls in commands:
        body = next(body for title, body in described[cls.__name__] if title == f"{number} {cls.__name__}")
        for field in fields_of(cls.__name__):
            assert f"- `{field}`" in body, f"{cls.__name__}.{field}"


def test_the_page_against_the_specification():
    """Image Block Request: ZCL 07-5123 11.13.6, table of fields."""
    (_, body), = sections()["ImageBlockRequest"]  # fmt: skip
    assert body.splitlines()[4:] == [
        "- `minimum_block_period_present` 1 bit",
        "- `request_node_address_present` 1 bit",
        "- `manufacturer_code` 2 octets",
        "- `image_type` 2 octets",
        "- `file_version` 4 octets",
        "- `file_offset` 4 octets",
        "- `maximum_data_size` 1 octet",
        "- `request_node_address`?? EUI-64",
        "- `minimum_block_period`?? 2 octets",
    ]
