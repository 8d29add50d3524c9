#!/usr/bin/env python3
"""Stands in for wokwi-cli, which no registry carries: the same options, exit codes and words, as far as
`--target wokwi-cli` uses them. Written from the vendor's documentation and from what version 0.26.1 was
seen to do; it speaks the Simulation API to the server that WOKWI_CLI_SERVER names.
"""

import base64
import json
import os
import pathlib
import re
import socket
import sys
import tomllib


class Socket:
    """A WebSocket, as its client."""

    def __init__(self, url, token="none"):
        host, port = re.fullmatch(r"ws://([^:/]+):(\d+).*", url).groups()
        self.socket = socket.create_connection((host, int(port)))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline().decode()
        if " 101 " not in status:
            sys.exit(f"Error connecting to URL: {status.split(' ', 1)[1].strip()}")
        while self.stream.readline().strip():
            pass

    def send(self, code, payload):
        mask = os.urandom(4)
        length = len(payload)
        head = bytes([0x80 | code])
        if length < 126:
            head += bytes([0x80 | length])
        elif length < 1 << 16:
            head += b"\xfe" + length.to_bytes(2, "big")
        else:
            head += b"\xff" + length.to_bytes(8, "big")
        pattern = (mask * (length // 4 + 1))[:length]
        number = int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")
        self.socket.sendall(head + mask + number.to_bytes(length, "big"))

    def receive(self):
        """The next message; pings are answered."""
        while True:
            first, length = self.stream.read(2)
            if length > 125:
                length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
            payload = self.stream.read(length)
            match first & 15:
                case 1:
                    return json.loads(payload)
                case 8:
                    sys.exit("API Error: Connection to transport closed unexpectedly")
                case 9:
                    self.send(10, payload)


class Server(Socket):
    """The messages of the Simulation API, one at a time."""

    def __init__(self, url, token):
        super().__init__(url, token)
        self.number, self.nanos, self.pauses = 0, 0, []
        self.heard = lambda event: None

    def hear(self):
        """The next message; pauses are kept, and all events told to whoever listens."""
        message = self.receive()
        if message["type"] == "error":
            sys.exit(f"API Error: {message['message']}")
        if message["type"] == "event":
            self.nanos = message["nanos"]
            self.heard(message)
            if message["event"] == "sim:pause":
                self.pauses.append(message["payload"].get("pausePoint"))
        return message

    def ask(self, command, **params):
        self.number += 1
        asked = {"type": "command", "command": command, "params": params, "id": str(self.number)}
        self.send(1, json.dumps(asked).encode())
        while (message := self.hear()).get("id") != str(self.number):
            pass
        if message.get("error"):
            result = message["result"]
            sys.exit(f"Error: Error {result['code']}: {result['message']}")
        return message["result"]

    def until(self, **point):
        """Runs up to a pause point; whether it was this one, and not the end of all time."""
        wanted = f"pp{self.number}"
        self.ask("pause-point:add", id=wanted, **point)
        self.ask("sim:resume")
        while True:
            while not self.pauses:
                self.hear()
            reached = self.pauses.pop(0)
            if reached in (wanted, "timeout"):
                return reached == wanted


def steps_of(text):
    """The steps of a scenario whose values are JSON, and its name."""
    name, steps = None, []
    for line in text.splitlines():
        if line.startswith("name: "):
            name = json.loads(line[6:])
        begins = line.startswith("  - ")
        if not begins and not line.startswith("    "):
            continue
        key, value = line[4:].split(": ", 1)
        if value.startswith("{"):
            value = re.sub(r"([\w-]+): ", r'"\1": ', value)
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            pass
        if begins:
            steps.append({})
        steps[-1][key] = value
    return name, steps


UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def nanos(span):
    number, unit = re.fullmatch(r"([\d.]+) ?(ns|us|ms|s)", span).groups()
    return round(float(number) * UNITS[unit])


def main():
    project, options = pathlib.Path(sys.argv[1]), dict(zip(sys.argv[2::2], sys.argv[3::2]))
    token = os.environ.get("WOKWI_CLI_TOKEN") or sys.exit("Error: Missing token")
    print("Wokwi CLI v0.26.1 (stand-in)", flush=True)
    config = tomllib.loads((project / "wokwi.toml").read_text())["wokwi"]
    name, steps = steps_of((project / options["--scenario"]).read_text())
    server = Server(os.environ["WOKWI_CLI_SERVER"], token)
    print(f"Connected to Wokwi Simulation API {server.receive()['appVersion']}", flush=True)
    log = open(options["--serial-log-file"], "wb", buffering=0)

    def heard(event):
        if event["event"] == "serial-monitor:data":
            said = bytes(event["payload"]["bytes"])
            log.write(said)
            sys.stdout.buffer.write(said)
            sys.stdout.flush()

    server.heard = heard
    server.ask("file:upload", name="diagram.json", text=(project / "diagram.json").read_text())
    firmware = base64.b64encode((project / config["firmware"]).read_bytes()).decode()
    server.ask("file:upload", name="firmware.bin", binary=firmware)
    print("Starting simulation...", flush=True)
    server.ask("serial-monitor:listen")
    limit = int(options["--timeout"])
    server.ask("pause-point:add", id="timeout", type="time-absolute", nanos=limit * 10**6)
    server.ask("sim:start", firmware="firmware.bin", chips=[], pause=True)

    def tell(words):
        print(f"\n[{name}] {words}", flush=True)

    def go_on(**point):
        if not server.until(**point):
            print(f"\nTimeout: simulation did not finish in {limit}ms", file=sys.stderr)
            sys.exit(42)

    for step in steps:
        if "name" in step:
            tell(f"Executing step: {step['name']}")
        match step:
            case {"delay": span}:
                tell(f"delay {span}")
                go_on(type="time-relative", nanos=nanos(span))
            case {"wait-serial": text}:
                go_on(type="serial-bytes", bytes=list(text.encode()))
                tell(f'Expected text matched: "{text}"')
            case {"write-serial": payload}:
                payload = payload if isinstance(payload, list) else list(payload.encode())
                server.ask("serial-monitor:write", bytes=payload)
            case {"set-control": it}:
                part, control = it["part-id"], it["name"]
                server.ask("control:set", part=part, control=control, value=it["value"])
            case {"expect-pin": it}:
                seen = server.ask("pin:read", part=it["part-id"], pin=it["name"])
                seen = int(bool(seen["value"]))
                if seen != it["value"]:
                    pin = f"{it['part-id']}:{it['name']}"
                    words = f"GPIO {pin} expected to be {it['value']} but was {seen}"
                    sys.exit(f"Error: [{server.nanos}ns] {words}\n    at TestScenario.fail")
            case _:
                sys.exit(f"Error: Invalid scenario step key: {list(step)[-1]}")
    tell("Scenario completed successfully")


if __name__ == "__main__":
    main()
