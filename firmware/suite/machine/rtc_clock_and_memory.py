# RTC: date and time run on, the weekday is computed, memory keeps bytes.
from machine import RTC
import time

r = RTC()
r.datetime((2024, 2, 29, 0, 23, 59, 59, 0))
now = r.datetime()
print(now[:7])
time.sleep_ms(1200)
print(r.datetime()[:7], time.localtime()[:6])
r.memory(b"kept in RTC memory")
print(r.memory(), len(r.memory()))
r.memory(bytearray(range(8)))
print(r.memory())
try:
    r.memory(bytes(3000))
except ValueError:
    print("ValueError")
r.memory(b"")
print(r.memory())
