# Bit-banged SPI and OneWire on pins with nothing attached but a pull-up.
from machine import Pin, SoftSPI
import onewire

s = SoftSPI(baudrate=100_000, sck=Pin(14), mosi=Pin(13), miso=Pin(4, Pin.IN, Pin.PULL_UP))
print(s.write(b"abc"), len(s.read(4)))
s.deinit()
bus = onewire.OneWire(Pin(4))
print(bus.reset(), bus.scan(), bus.crc8(b"\x28\xff\x64\x1e\x0f\x00\x00") == bus.crc8(b"\x28\xff\x64\x1e\x0f\x00\x00"))
try:
    bus.reset(True)
except onewire.OneWireError:
    print("OneWireError")
