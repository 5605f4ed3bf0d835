"""Sniffers: devices and streams that deliver 802.15.4 frames while they are on the air.

Each module is one kind: a decoder without input and output (octets in, frames and counted problems out) and a thin
transport that feeds it. `catalogue` knows them all by name.
"""
