# UART: writing takes its baud time; nothing arrives on an idle line.
from machine import UART, Pin
import time

u = UART(1, baudrate=9600, tx=Pin(4), rx=Pin(5, Pin.IN, Pin.PULL_UP))
print(u.any(), u.read(), u.write(b"x" * 96))
start = time.ticks_ms()
u.flush()
print(90 <= time.ticks_diff(time.ticks_ms(), start) <= 112, u.txdone())
u.init(baudrate=115200, bits=7, parity=0, stop=2)
start = time.ticks_us()
u.write(b"y" * 100)
u.flush()
t = time.ticks_diff(time.ticks_us(), start)
print(9_000 <= t <= 13_000)
u.init(baudrate=9600, bits=8, parity=None, stop=1, timeout=30)
start = time.ticks_ms()
print(u.readline(), u.any())
# 30 ms are three ticks of the operating system, and the first is under way already.
print(20 <= time.ticks_diff(time.ticks_ms(), start) <= 31)
u.deinit()
