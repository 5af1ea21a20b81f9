"""A Bluetooth adapter in the guest whose controller runs on the host: pumps packets between /dev/vhci and a port.

Usage: bridge.py PORT. The adapter is there while this runs; ending it is unplugging. Formats: Bluetooth Core
specification, Vol 4 Part A (UART transport), and drivers/bluetooth/hci_vhci.c for the first message.
"""

import os
import select
import signal
import sys

VENDOR, PRIMARY = 0xFF, 0x00
HEADER_BYTES = {1: 4, 2: 5, 4: 3}  # command, ACL data, event: up to and with the length field


def packet_bytes(data: bytes) -> int:
    """Length of the packet that `data` begins with, or 0 while that cannot be told."""
    header = HEADER_BYTES[data[0]]
    if len(data) < header:
        return 0
    length = int.from_bytes(data[3:5], "little") if data[0] == 2 else data[header - 1]
    return header + length


def main() -> None:
    vhci = os.open("/dev/vhci", os.O_RDWR)
    os.write(vhci, bytes([VENDOR, PRIMARY]))
    os.read(vhci, 260)  # which hci it became
    port = os.open(sys.argv[1], os.O_RDWR)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    waiting = b""
    while not ended:
        # A signal shortens no select in Python; half a second is soon enough.
        for ready in select.select([vhci, port], [], [], 0.5)[0]:
            if ready == vhci:
                os.write(port, os.read(vhci, 4096))
                continue
            waiting += os.read(port, 4096)
            while waiting and (size := packet_bytes(waiting)) and len(waiting) >= size:
                os.write(vhci, waiting[:size])  # the kernel takes one whole packet a write
                waiting = waiting[size:]


if __name__ == "__main__":
    main()
