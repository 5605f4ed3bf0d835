"""GBCS messages (Great Britain Companion Specification): envelope, payloads and cryptography.

All integers are big-endian here; only the ZCL contents inside GBZ payloads are little-endian.
"""
