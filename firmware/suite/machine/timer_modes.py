# Hardware timers: one shot and periodic, counted against the clock.
from machine import Timer
import time

hits = []
t = Timer(0)
t.init(mode=Timer.ONE_SHOT, period=20, callback=lambda t: hits.append("once"))
time.sleep_ms(100)
print(hits)
del hits[:]
t.init(mode=Timer.PERIODIC, period=10, callback=lambda t: hits.append(1))
time.sleep_ms(105)
t.deinit()
n = len(hits)
time.sleep_ms(50)
print(n, len(hits) == n)
del hits[:]
t.init(freq=100, callback=lambda t: hits.append(1))
time.sleep_ms(105)
t.deinit()
print(len(hits))
