# Calendar arithmetic with the epoch 2000-01-01, and ticks that wrap.
import time

print(time.gmtime(0), time.gmtime(0) == time.localtime(0))
for t in ((2000, 2, 29, 12, 0, 0), (2024, 12, 31, 23, 59, 59), (2035, 1, 1, 0, 0, 0)):
    stamp = time.mktime(t + (0, 0))
    print(stamp, time.gmtime(stamp))
last = time.ticks_add(0, -1)
print(time.ticks_diff(5, last), time.ticks_diff(last, 5), time.ticks_add(last, 1))
a = time.ticks_us()
b = time.ticks_us()
print(0 <= time.ticks_diff(b, a) < 2000, time.ticks_diff(time.ticks_add(a, 100), a))
