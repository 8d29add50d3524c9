# I2S input brings samples at the rate asked for, also where I2S output went out before.
from machine import I2S, Pin
import time


def record(port, bits, form, block):
    mic = I2S(port, sck=Pin(14), ws=Pin(13), sd=Pin(35), mode=I2S.RX, bits=bits, format=form, rate=8000, ibuf=8000)
    mic.readinto(block)
    start = time.ticks_ms()
    got = [mic.readinto(block) for _ in range(4)]
    t = time.ticks_diff(time.ticks_ms(), start)
    mic.deinit()
    print(got, 450 <= t <= 550)


speaker = I2S(0, sck=Pin(14), ws=Pin(13), sd=Pin(12), mode=I2S.TX, bits=16, format=I2S.MONO, rate=8000, ibuf=2000)
speaker.write(bytes(2000))
speaker.deinit()
for port in 0, 1:
    record(port, 16, I2S.MONO, bytearray(2000))
    record(port, 16, I2S.STEREO, bytearray(4000))
    record(port, 32, I2S.MONO, bytearray(4000))
    record(port, 32, I2S.STEREO, bytearray(8000))
