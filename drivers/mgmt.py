"""The kernel's Bluetooth management socket as an ear."""
