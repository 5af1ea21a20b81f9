"""Listens to every MQTT message of a broker, as an attacker on the shop's network would."""

import threading

import paho.mqtt.client as mqtt

from sync import packing

MOST_BYTES = 1_000_000  # unpacked, so that a search of what travelled finds what stands in it


class Wiretap:
    """`payloads` grows with everything published; topics are kept with them."""

    def __init__(self, port: int) -> None:
        self.payloads: list[bytes] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="wiretap", protocol=mqtt.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _data, message: self.payloads.append(
            message.topic.encode() + b"\n" + packing.unpack(message.payload, MOST_BYTES)
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
