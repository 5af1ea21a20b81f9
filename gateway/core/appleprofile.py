"""A configuration profile (.mobileconfig) by which iPads, iPhones and Macs take a certificate. Pure."""

import plistlib
import uuid

# Names for the profile and its payload are derived from the certificate, so that the same one is never listed twice.
_SPACE = uuid.UUID("6f1c5a0e-3c1e-5d3f-9b86-1c6b8e1f4a20")


def profile(der: bytes, title: str, text: str) -> bytes:
    """The profile that installs this certificate (DER). `title` and `text` are what the device shows before it does.

    Payload keys as Apple's device management documents them: Profile and CertificateRoot.
    """
    own = str(uuid.uuid5(_SPACE, der.hex())).upper()
    inner = str(uuid.uuid5(_SPACE, f"root {der.hex()}")).upper()
    payload = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"store-gateway.{inner}",
        "PayloadUUID": inner,
        "PayloadDisplayName": title,
        "PayloadContent": der,
    }
    whole = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"store-gateway.{own}",
        "PayloadUUID": own,
        "PayloadDisplayName": title,
        "PayloadDescription": text,
        "PayloadContent": [payload],
    }
    return plistlib.dumps(whole)
