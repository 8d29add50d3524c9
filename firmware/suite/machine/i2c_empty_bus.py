# An I2C bus without devices: the scan is empty, transfers fail with ENODEV.
from machine import I2C, Pin
import errno

for number, scl, sda, freq in ((0, 18, 19, 400_000), (1, 25, 26, 100_000)):
    bus = I2C(number, scl=Pin(scl), sda=Pin(sda), freq=freq)
    print(number, bus.scan())
    for f in (lambda: bus.writeto(0x3C, b"\x00\x01"), lambda: bus.readfrom(0x3C, 2), lambda: bus.readfrom_mem(0x68, 0, 1)):
        try:
            f()
        except OSError as e:
            print(errno.errorcode.get(e.errno, e.errno))
