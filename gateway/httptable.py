"""The table [http] of the local configuration file: where the pages are, and under which names and ports."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class HttpTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535, strict=True)  # 0 = any free port
    public_url: str | None = None  # what phones call this gateway, e.g. http://gateway.shop:8080
    shop_url: str | None = None  # what screens, tablets and tills call it; they are answered under no other name then
    phones_port: int | None = Field(None, ge=1, le=65535, strict=True)  # a second port, for phones' pages alone
    https_port: int | None = Field(None, ge=1, le=65535, strict=True)  # the shop's own devices over TLS (gateway.https)
    https_cert: Path | None = None  # a retailer's own, in place of one by this box's authority
    https_key: Path | None = None
    metrics_token_file: Path | None = None  # who shows its word may ask for /metrics from another machine

    @field_validator("public_url", "shop_url")
    @classmethod
    def _whole_url(cls, url: str | None) -> str | None:
        if url is not None and (not re.fullmatch(r"https?://[^/?#\s]{1,200}/?", url) or _port(url) is None):
            raise ValueError('an address such as "http://gateway.shop:8080"')
        return url

    @model_validator(mode="after")
    def _told_apart(self) -> "HttpTable":
        if self.phones_port is not None and self.phones_port == self.port:
            raise ValueError("phones_port to be another one than port")
        if self.https_port is not None and self.https_port in (self.port, self.phones_port):
            raise ValueError("https_port to be another one than port and phones_port")
        if (self.https_cert is None) != (self.https_key is None) or (self.https_cert and self.https_port is None):
            raise ValueError("https_cert and https_key together, beside an https_port")
        for file in (self.https_cert, self.https_key, self.metrics_token_file):
            if file is not None and not file.is_absolute():
                raise ValueError("absolute paths of files: a service starts in no particular folder")
        if self.phones_port is None and self.shop_url is not None and self.public_url is not None:
            names = [urlsplit(url).hostname for url in (self.shop_url, self.public_url)]
            if names[0] == names[1]:
                raise ValueError("shop_url with another name than public_url, or a phones_port beside them")
        return self

    @property
    def behind_proxy(self) -> bool:
        """Whether one of the addresses is answered by something before this gateway, which speaks plain HTTP at its own
        ports. What a proxy on this box asks comes from this box, whoever asked it."""
        ours = {self.port, self.phones_port}
        urls = [url for url in (self.public_url, self.shop_url) if url is not None]
        if self.shop_url is not None and self.shop_url.startswith("https:") and _port(self.shop_url) == self.https_port:
            urls.remove(self.shop_url)  # we answer it ourselves
        return any(url.startswith("https:") or (0 not in ours and _port(url) not in ours) for url in urls)

    @property
    def installable(self) -> bool:
        """Whether staff pages are also reached over TLS, so that they may be installed as apps."""
        return self.https_port is not None or (self.shop_url or "").startswith("https:")


def _port(url: str) -> int | None:
    """The port that browsers ask, None where what stands there is none."""
    try:
        return urlsplit(url).port or (443 if url.startswith("https:") else 80)
    except ValueError:
        return None
