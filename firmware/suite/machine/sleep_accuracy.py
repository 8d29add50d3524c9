# Sleeping takes as long as asked, in every unit.
import time


def measure(f, n):
    start = time.ticks_us()
    f(n)
    return time.ticks_diff(time.ticks_us(), start)


for ms in (1, 10, 100, 250):
    t = measure(time.sleep_ms, ms)
    print(ms, "ms", ms * 1000 <= t + 50 and t <= ms * 1000 + 3000)
for us in (20, 100, 1000, 5000):
    t = measure(time.sleep_us, us)
    # The port takes 5 us off for the call itself, whatever the call really takes.
    print(us, "us", us - 5 <= t <= us + 500)
t = measure(time.sleep, 1)
print(999_000 <= t <= 1_005_000)
start = time.ticks_ms(), time.time()
time.sleep(2)
print(1995 <= time.ticks_diff(time.ticks_ms(), start[0]) <= 2010, time.time() - start[1] in (2, 3))
