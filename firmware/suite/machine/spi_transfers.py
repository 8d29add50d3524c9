# SPI on both free controllers: lengths, modes, and the time that the bits take.
from machine import SPI, Pin
import time

for number in (1, 2):
    spi = SPI(number, baudrate=1_000_000)
    buf = bytearray(10)
    print(number, spi.write(b"hello"), len(spi.read(4)), len(spi.read(3, 0xFF)), spi.readinto(buf), spi.write_readinto(b"12345", bytearray(5)))
    for polarity in (0, 1):
        for phase in (0, 1):
            spi.init(baudrate=100_000, polarity=polarity, phase=phase)
            spi.write(b"x")
    start = time.ticks_us()
    spi.write(bytes(500))
    print(40_000 <= time.ticks_diff(time.ticks_us(), start) <= 44_000)
    spi.deinit()
try:
    SPI(9)
except ValueError:
    print("ValueError")
