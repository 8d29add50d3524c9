# Edges on a pin call the handler; the pin is both output and input.
from machine import Pin
import time

p = Pin(4, Pin.OUT, value=0)
log = []


def count(trigger, changes):
    del log[:]
    p.irq(lambda pin: log.append(pin.value()), trigger)
    for v in changes:
        p.value(v)
        time.sleep_ms(2)
    p.irq(None)
    return log[:]


print(count(Pin.IRQ_RISING, (1, 0, 1, 0)))
print(count(Pin.IRQ_FALLING, (1, 0, 1, 0)))
print(count(Pin.IRQ_RISING | Pin.IRQ_FALLING, (1, 0, 1, 0)))
print(count(Pin.IRQ_RISING, (0, 0)))
p.value(1)
time.sleep_ms(2)
print(log)
p.init(Pin.IN)
