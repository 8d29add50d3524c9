# RMT: settings, a sequence of pulses that ends, a long one that is seen running.
from esp32 import RMT
from machine import Pin

r = RMT(0, pin=Pin(18), clock_div=8)
print(RMT.source_freq(), r.clock_div())
r.write_pulses((1, 20, 2, 40), 0)
print(r.wait_done(timeout=100))
r.write_pulses((32767,) * 8, 1)
print(r.wait_done(), r.wait_done(timeout=100))
r.write_pulses(100, [1, 0, 1, 1])
print(r.wait_done(timeout=100))
r.write_pulses((10, 20, 30), (1, 0, 1))
print(r.wait_done(timeout=100))
r.deinit()
