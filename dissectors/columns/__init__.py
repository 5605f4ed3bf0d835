"""The column engine: Scapy's layers, read from a million frames at a time.

Frames whose control fields agree share one octet layout. For each layout Scapy dissects one specimen (`record`); the
fields it read on the way become *guards* (bits that other frames of the layout have equal), the places where fields lay
become
*slots*. A `Stage` sorts frames into layouts and reads a slot of all of them with one NumPy operation.

Layouts (`layout`) are plain data: Scapy is imported only when a kind of frame turns up that no known layout fits.
"""
