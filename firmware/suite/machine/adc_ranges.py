# ADC: ranges of every reading, attenuations, pins without a channel.
from machine import ADC, Pin

for number in (32, 33, 34, 35, 36, 39):
    a = ADC(Pin(number), atten=ADC.ATTN_11DB)
    r, u, v = a.read(), a.read_u16(), a.read_uv()
    print(number, 0 <= r <= 4095, 0 <= u <= 65535, 0 <= v <= 3_300_000)
a = ADC(Pin(34))
for atten in (ADC.ATTN_0DB, ADC.ATTN_2_5DB, ADC.ATTN_6DB, ADC.ATTN_11DB):
    a.atten(atten)
    print(0 <= a.read() <= 4095)
a.width(ADC.WIDTH_9BIT)
print(0 <= a.read() <= 511)
a.width(ADC.WIDTH_12BIT)
try:
    ADC(Pin(5))
except ValueError:
    print("ValueError")
