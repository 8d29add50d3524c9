# The CPU runs at 160 MHz, and at every other frequency that the manual allows.
import machine, time

print(machine.freq())


def loops():
    start = time.ticks_us()
    for _ in range(3000):
        pass
    return time.ticks_diff(time.ticks_us(), start)


times = {}
for mhz in (240, 160, 80):
    machine.freq(mhz * 1_000_000)
    start = time.ticks_ms()
    time.sleep_ms(50)
    print(machine.freq(), 49 <= time.ticks_diff(time.ticks_ms(), start) <= 53)
    times[mhz] = loops()
print(2.5 < times[80] / times[240] < 3.5)
machine.freq(160_000_000)
try:
    machine.freq(123)
except ValueError:
    print("ValueError")
print(machine.freq())
