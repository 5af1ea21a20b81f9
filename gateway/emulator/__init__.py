"""Cards, phones and the chip that reads them, emulated byte by byte: for the benches and the tests."""
