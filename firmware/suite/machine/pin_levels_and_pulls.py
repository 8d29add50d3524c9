# Pins: outputs read back, pulls, open drain, toggling, invalid pins.
from machine import Pin

for number in (2, 4, 5, 18, 19, 23, 32, 33):
    p = Pin(number, Pin.OUT)
    seen = []
    for v in (0, 1, 0):
        p.value(v)
        seen.append(p.value())
    p.on()
    seen.append(p())
    p(0)
    seen.append(p())
    p.init(Pin.IN)
    print(number, seen)
for number in (4, 18, 32):
    up = Pin(number, Pin.IN, Pin.PULL_UP).value()
    down = Pin(number, Pin.IN, Pin.PULL_DOWN).value()
    print(number, up, down)
d = Pin(4, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
print(d.value(), d(0), d.value(), d(1), d.value())
d.init(Pin.IN, None)
for f in (lambda: Pin(99), lambda: Pin(34, Pin.OUT)):
    try:
        f()
    except ValueError:
        print("ValueError")
print(Pin(4), Pin(4) is Pin(4))
