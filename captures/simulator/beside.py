"""What lies beside a simulated capture, so that it can be analyzed: keys, certificates, the images themselves."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from hanscope.captures.simulator.han import HUB, Node, Role
from hanscope.captures.simulator.parties import write_credentials
from hanscope.captures.simulator.truth import Truth
from hanscope.dissectors.eui64 import eui64_text


def key_file(truth: Truth) -> str:
    """The keys of the HAN (TOML), as `hanscope analyze --keys` takes them.

    A network key that comes later is not in it: the capture tells it, under a link key.
    """
    network = ["[[network]]", f'key = "{truth.han.network_key.hex()}"', f"pan_id = {truth.han.pan_id:#06x}"]
    entries = [network, *link_entries(truth.han.nodes[HUB], truth.han.nodes[1:])]
    texts = ["# Keys of a simulated Home Area Network: no real keys.", *("\n".join(entry) for entry in entries)]
    return "\n\n".join(texts) + "\n"


def link_entries(hub: Node, nodes: Iterable[Node]) -> Iterator[list[str]]:
    """An entry of a key file for each of these that has a link key; a second server's is with whom it serves."""
    for node in nodes:
        if node.link_key is not None:
            ends = [node] if node.role is Role.SECOND_SERVER else [hub, node]
            devices = ", ".join(f'"{eui64_text(one.eui64)}"' for one in ends)
            yield ["[[link]]", f'key = "{node.link_key.hex()}"', f"devices = [{devices}]", f'comment = "{node.role}"']


def beside(path: Path, ending: str) -> Path:
    """The file or folder of this ending that belongs to a capture."""
    return path.with_name(f"{path.name}.{ending}")


def write_keys(truth: Truth, path: Path) -> Path:
    """The key file of the capture at `path`; returns where it is."""
    place = beside(path, "keys.toml")
    place.write_text(key_file(truth), "utf-8", newline="\n")
    return place


def write_party_credentials(truth: Truth, path: Path) -> tuple[Path, Path]:
    """Certificates of everybody and the remote parties' Key Agreement keys; returns folder and file.

    Certificates of a run before are removed.
    """
    certificates, private_keys = beside(path, "certificates"), beside(path, "private-keys.json")
    _empty(certificates, ".der")
    write_credentials(truth.parties, certificates, private_keys)
    return certificates, private_keys


def write_images(truth: Truth, path: Path) -> Path:
    """The OTA files that were offered, each once; returns their folder. Those of a run before are removed."""
    folder = beside(path, "images")
    _empty(folder, ".ota")
    for one in truth.devices:
        firmware = one.firmware
        name = f"{firmware.manufacturer_code:04x}-{firmware.image_type:04x}-{firmware.file_version:08x}.ota"
        (folder / name).write_bytes(firmware.octets)
    return folder


def _empty(folder: Path, ending: str) -> None:
    """Makes the folder, or removes its files of this ending."""
    folder.mkdir(exist_ok=True)
    for file in folder.glob(f"*{ending}"):
        file.unlink()
