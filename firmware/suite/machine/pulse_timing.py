# time_pulse_us gives up in the two ways that the manual tells apart.
from machine import Pin, time_pulse_us
import time

p = Pin(4, Pin.IN, Pin.PULL_DOWN)
start = time.ticks_us()
print(time_pulse_us(p, 1, 2000), 1900 <= time.ticks_diff(time.ticks_us(), start) <= 2600)
start = time.ticks_us()
print(time_pulse_us(p, 0, 1000), 950 <= time.ticks_diff(time.ticks_us(), start) <= 1600)
p.init(Pin.IN, Pin.PULL_UP)
print(time_pulse_us(p, 1, 500), time_pulse_us(p, 0, 500))
p.init(Pin.IN, None)
