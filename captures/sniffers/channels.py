"""Channels: numbers, pages and frequencies (IEEE 802.15.4 10.1.2; ZigBee 05-3474 annex D for the sub-GHz pages)."""

from typing import Final, NamedTuple, Self

PAGE_2_4_GHZ: Final = 0
CHANNELS_2_4_GHZ: Final = range(11, 27)
SUB_GHZ_PAGES: Final = {28: (863.25, 27), 29: (868.65, 9), 30: (870.25, 27), 31: (915.35, 27)}
"""Page: frequency of its channel 0 in MHz, and how many channels it has, 0.2 MHz apart."""
PAGE_29_CHANNEL_8: Final = 875.65
"""MHz; the linear formula would give a channel of page 30. Not confirmed by a document."""


class Channel(NamedTuple):
    """A channel of a page; page 0 is 2.4 GHz."""

    number: int
    page: int = PAGE_2_4_GHZ

    @property
    def frequency_mhz(self) -> float:
        """Its centre."""
        if self.page == PAGE_2_4_GHZ:
            return 2405.0 + 5 * (self.number - 11)
        if (self.page, self.number) == (29, 8):
            return PAGE_29_CHANNEL_8
        return round(SUB_GHZ_PAGES[self.page][0] + 0.2 * self.number, 2)

    def __str__(self) -> str:
        return str(self.number) if self.page == PAGE_2_4_GHZ else f"{self.page}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`15`, or `28/3` for channel 3 of page 28. Raises `ValueError` with a sentence."""
        page_text, slash, number_text = text.rpartition("/")
        try:
            channel = cls(int(number_text), int(page_text) if slash else PAGE_2_4_GHZ)
        except ValueError:
            raise ValueError(f"{text!r} is no channel: give 11 to 26, or PAGE/CHANNEL such as 28/3") from None
        if channel not in set(all_channels()):
            raise ValueError(
                f"there is no channel {text}: 2.4 GHz has 11 to 26; pages 28, 30 and 31 have 0 to 26, page 29 0 to 8"
            )
        return channel


def all_channels() -> list[Channel]:
    """2.4 GHz first, then the sub-GHz pages."""
    found = [Channel(number) for number in CHANNELS_2_4_GHZ]
    for page, (_, count) in SUB_GHZ_PAGES.items():
        found += [Channel(number, page) for number in range(count)]
    return found


def of_logical(octet: int) -> Channel | None:
    """The channel that EmberZNet and ZEP write as one octet: three low bits of the page, then the number."""
    if octet < 0x80:
        return Channel(octet) if octet in CHANNELS_2_4_GHZ else None
    page, number = 24 + (octet >> 5), octet & 0x1F
    return Channel(number, page) if number < SUB_GHZ_PAGES[page][1] else None


def of_gb863_index(index: int) -> Channel | None:
    """The channel with this index among the 63 channels from 863.25 to 875.65 MHz, as Silicon Labs counts them."""
    if index < 27:
        return Channel(index, 28)
    if index < 35:
        return Channel(index - 27, 29)
    if index < 62:
        return Channel(index - 35, 30)
    return Channel(8, 29) if index == 62 else None
