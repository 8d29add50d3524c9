# PWM: frequency (within the divider's 1 %) and duty are read back from the controller.
from machine import Pin, PWM
import time



def near(value, wanted):
    return abs(value - wanted) * 100 <= wanted


p = PWM(Pin(4), freq=1000, duty_u16=32768)
time.sleep_ms(5)
print(near(p.freq(), 1000), p.duty_u16(), p.duty(), near(p.duty_ns(), 500_000))
p.duty(256)
time.sleep_ms(5)
print(p.duty(), p.duty_u16())
p.freq(50)
time.sleep_ms(50)
print(near(p.freq(), 50), p.duty())
q = PWM(Pin(18), freq=5000, duty=1023)
time.sleep_ms(5)
print(near(q.freq(), 5000), q.duty() >= 1020, near(p.freq(), 50))
for f in (lambda: p.freq(0), lambda: p.duty(2000), lambda: p.duty_u16(-1)):
    try:
        f()
    except ValueError:
        print("ValueError")
p.deinit()
q.deinit()
try:
    p.duty()
except RuntimeError:
    print("RuntimeError")
