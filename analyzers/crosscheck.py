"""The same capture read by us and by tshark, compared field by field.

tshark runs under pyshark, with every key that we have in the end: it uses keys that it learns only on what comes later.
Both sides go through the capture in step, so that memory stays flat. What is compared is one table, `FIELDS`: tshark's
field, the columns of ours that say the same, and the known faults of tshark that may explain a difference (`Fault`).

Of a frame that fails its FCS nothing is compared but that verdict.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hanscope.analyzers import layoutcache
from hanscope.analyzers.analysis import Progress, keys_in
from hanscope.analyzers.crosscheck_fields import FIELDS, Case, Fault, Field, Value
from hanscope.analyzers.dissect import Dissector
from hanscope.analyzers.keys import WELL_KNOWN, KeyRing, KnownKey
from hanscope.analyzers.reassembly import Reassembler
from hanscope.analyzers.results import Result
from hanscope.captures.batch import CaptureError, Fcs, FrameBatch
from hanscope.captures.files import open_capture
from hanscope.captures.linklayer import NO_FCS, TAP, WITH_FCS, Decisions, decide, frames, link_type_name
from hanscope.dissectors.columns.engine import Engine
from hanscope.dissectors.columns.rows import Index
from hanscope.dissectors.columns.stage import Group, Sifted
