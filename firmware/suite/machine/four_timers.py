# All four hardware timers at once, with their own periods.
from machine import Timer
import time

count = [0] * 4


def hit(i):
    def callback(t):
        count[i] += 1

    return callback


timers = [Timer(i) for i in range(4)]
for i, t in enumerate(timers):
    t.init(mode=Timer.PERIODIC, period=(10, 20, 50, 100)[i], callback=hit(i))
time.sleep_ms(505)
for t in timers:
    t.deinit()
print(count)
