# NeoPixels: colour order, brightness of all, and the time that the bits take.
from machine import Pin, bitstream
from neopixel import NeoPixel
import time

np = NeoPixel(Pin(5), 4)
np[0] = (1, 2, 3)
np[3] = (255, 0, 128)
print(bytes(np.buf), np[0], np[3], len(np))
print(np.write())
np.fill((9, 8, 7))
print(bytes(np.buf))
start = time.ticks_us()
print(bitstream(Pin(5, Pin.OUT), 0, (400, 850, 800, 450), bytes(100)))
print(900 <= time.ticks_diff(time.ticks_us(), start) <= 3000)
w = NeoPixel(Pin(5), 1, bpp=4)
w[0] = (1, 2, 3, 4)
print(bytes(w.buf), w.write())
