# Signal turns "on" into the level that a part needs.
from machine import Pin, Signal

p = Pin(4, Pin.OUT)
for invert in (False, True):
    s = Signal(p, invert=invert)
    s.on()
    high = p.value()
    s.off()
    print(invert, high, p.value(), s.value())
p.init(Pin.IN)
