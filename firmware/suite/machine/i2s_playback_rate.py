# I2S output takes samples at the rate asked for.
from machine import I2S, Pin
import time

audio = I2S(0, sck=Pin(14), ws=Pin(13), sd=Pin(12), mode=I2S.TX, bits=16, format=I2S.MONO, rate=8000, ibuf=2000)
block = bytes(2000)
for _ in range(4):
    audio.write(block)
start = time.ticks_ms()
for _ in range(8):
    print(audio.write(block), end=" ")
t = time.ticks_diff(time.ticks_ms(), start)
print(900 <= t <= 1100)
audio.deinit()
