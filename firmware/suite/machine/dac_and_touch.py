# DAC on its two pins, touch readings, and the pins that have neither.
from machine import DAC, Pin, TouchPad

for number in (25, 26):
    d = DAC(Pin(number))
    print(d.write(0), d.write(128), d.write(255))
t = TouchPad(Pin(4))
print(t.read() > 0)
for f in (lambda: DAC(Pin(4)), lambda: DAC(Pin(25)).write(256), lambda: TouchPad(Pin(5))):
    try:
        f()
    except ValueError:
        print("ValueError")
