# Peripheral registers by address, as the technical reference manual lists them.
import machine
from machine import Pin, mem8, mem16, mem32

GPIO_OUT, GPIO_OUT_W1TS, GPIO_OUT_W1TC, GPIO_ENABLE, GPIO_IN = 0x3FF44004, 0x3FF44008, 0x3FF4400C, 0x3FF44020, 0x3FF4403C
p = Pin(4, Pin.OUT, value=0)
print(mem32[GPIO_ENABLE] >> 4 & 1, mem32[GPIO_OUT] >> 4 & 1, mem32[GPIO_IN] >> 4 & 1)
mem32[GPIO_OUT_W1TS] = 1 << 4
print(p.value(), mem32[GPIO_OUT] >> 4 & 1, mem32[GPIO_IN] >> 4 & 1)
mem32[GPIO_OUT_W1TC] = 1 << 4
print(p.value(), mem32[GPIO_OUT] >> 4 & 1)
buf = bytearray(b"\x11\x22\x33\x44")
import uctypes

a = uctypes.addressof(buf)
print(hex(mem32[a]), hex(mem16[a + 2]), hex(mem8[a + 1]))
mem16[a] = 0xBEEF
mem8[a + 3] = 0x7F
print(bytes(buf))
p.init(Pin.IN)
print(mem32[GPIO_ENABLE] >> 4 & 1)
